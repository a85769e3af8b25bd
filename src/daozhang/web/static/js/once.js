/* data-once: a form goes out once; a second press while the answer is on its way does nothing. Coming back re-opens it. */
(function () {
  "use strict";
  document.querySelectorAll("form[data-once]").forEach(function (form) {
    let button = null;
    let words = null;
    let sent = false;
    let text = "";
    form.addEventListener("submit", function (event) {
      if (sent) return event.preventDefault();
      sent = true;
      button = event.submitter || form.querySelector("button[type=submit]");
      words = button.querySelector("b") || button;
      text = words.textContent;
      button.setAttribute("aria-disabled", "true");
      words.textContent = form.dataset.once;
    });
    window.addEventListener("pageshow", function (event) {
      if (!event.persisted || !sent) return;
      sent = false;
      button.removeAttribute("aria-disabled");
      words.textContent = text;
    });
  });
})();
