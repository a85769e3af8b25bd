/* data-ways: while a person fills the form, the server says anew what would become of it: the answer for the amount, which ways
   take it, what a campaign brings. What was chosen stays chosen, and what has the focus keeps it. */
(function () {
  "use strict";
  const box = document.querySelector("[data-ways]");
  const form = box && box.closest("form");
  if (!form) return;
  let timer = 0;
  let round = 0, asked = 0;
  let touched = false;

  function put(text) {
    // Parsed apart from the page: what the server drew comes in as nodes, and nothing in it runs.
    new DOMParser().parseFromString(text, "text/html").querySelectorAll("[data-part]").forEach(function (part) {
      const place = form.querySelector("[data-put=" + part.dataset.part + "]");
      const fresh = Array.from(part.childNodes);
      const shown = place && place.childNodes;
      if (!place || (fresh.length === shown.length && fresh.every((node, at) => node.isEqualNode(shown[at])))) return;
      const held = place.contains(document.activeElement) ? document.activeElement.id : "";
      const fold = place.querySelector("details");
      const wide = fold && fold.open;
      place.replaceChildren(...fresh);
      if (wide && place.querySelector("details")) place.querySelector("details").open = true;
      if (held && document.getElementById(held)) document.getElementById(held).focus();
    });
  }

  function busy(on) {
    form.querySelectorAll("[data-put]").forEach(function (place) { place.setAttribute("aria-busy", String(on)); });
  }

  function ask() {
    const mine = asked = ++round;
    const slow = setTimeout(function () { busy(true); }, 400);
    const fields = new URLSearchParams(new FormData(form));
    // What the page itself had marked gives way to what fits better; what the person chose does not.
    if (!touched) fields.delete("method");
    fetch(box.dataset.ways, { method: "POST", body: fields, headers: { accept: "text/html" } })
      .then(function (response) { return response.ok ? response.text() : ""; })
      .then(function (text) { if (mine === round && text) put(text); })
      .catch(function () {})
      .finally(function () { clearTimeout(slow); if (mine === asked) asked = 0; if (mine === round) busy(false); });
  }

  function soon(wait) {
    ++round; // What is answered to the form as it was does not take back what was chosen since.
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  }

  // A tap on what was marked already changes nothing, and chooses it all the same. An answer under way does not know of it.
  form.addEventListener("click", function (event) { if (event.target.name === "method") { touched = true; if (asked) soon(0); } });
  form.addEventListener("change", function (event) {
    if (/^(amount|card|offer|own_coupon|coupon)$/.test(event.target.name)) soon(0);
  });
  form.addEventListener("input", function (event) { if (event.target.name === "other_amount") soon(250); });
})();
