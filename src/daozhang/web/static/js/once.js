/* data-once: a form goes out once; a second press while the answer is on its way does nothing. Coming back re-opens it. */
(function () {
  "use strict";
  document.querySelectorAll("form[data-once]").forEach(function (form) {
    const button = form.querySelector("button[type=submit]");
    if (!button) return;
    let sent = false;
    let text = "";
    form.addEventListener("submit", function (event) {
      if (sent) return event.preventDefault();
      sent = true;
      text = button.textContent;
      button.setAttribute("aria-disabled", "true");
      button.textContent = form.dataset.once;
    });
    window.addEventListener("pageshow", function (event) {
      if (!event.persisted || !sent) return;
      sent = false;
      button.removeAttribute("aria-disabled");
      button.textContent = text;
    });
  });
})();
