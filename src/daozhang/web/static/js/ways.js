/* data-ways: when the amount or the card changes, the server says anew which ways take it. What a person chose stays chosen. */
(function () {
  "use strict";
  const box = document.querySelector("[data-ways]");
  const amounts = document.querySelector("[data-amounts]");
  if (!box || !amounts) return;
  const typed = amounts.querySelector("#other_amount");
  const card = document.querySelector("#card");
  let chosen = "";
  let timer = 0;
  let round = 0;

  function amount() {
    const pick = amounts.querySelector(".pick:checked");
    return pick && pick.value !== "other" ? pick.value : typed.value;
  }

  function put(text) {
    const fold = box.querySelector("details");
    const wide = fold && fold.open;
    // Parsed apart from the page: what the server drew comes in as nodes, and nothing in it runs.
    box.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    if (wide && box.querySelector("details")) box.querySelector("details").open = true;
  }

  function ask() {
    const mine = ++round;
    const asked = new URLSearchParams({ amount: amount(), method: chosen, card: card ? card.value : "" });
    fetch(box.dataset.ways + "?" + asked, { headers: { accept: "text/html" } })
      .then(function (response) { return response.ok ? response.text() : ""; })
      .then(function (text) { if (mine === round && text) put(text); })
      .catch(function () {});
  }

  function soon(wait) {
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  }

  amounts.addEventListener("change", function (event) { if (event.target.name === "amount") soon(0); });
  typed.addEventListener("input", function () { soon(250); });
  if (card) card.addEventListener("change", function () { soon(0); });
  box.addEventListener("change", function (event) { if (event.target.name === "method") chosen = event.target.value; });
})();
