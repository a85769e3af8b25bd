/* data-copy: copies the number beside it and says so. */
(function () {
  "use strict";
  document.querySelectorAll("[data-copy]").forEach(function (button) {
    const code = button.parentElement.querySelector("[data-copy-source]");
    const text = button.textContent;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", function () {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      const copied = navigator.clipboard ? navigator.clipboard.writeText(code.textContent) : Promise.reject();
      copied.catch(function () { document.execCommand("copy"); }).finally(function () {
        button.textContent = button.dataset.copy;
        setTimeout(function () { button.textContent = text; }, 2000);
      });
    });
  });
})();
