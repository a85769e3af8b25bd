/* data-slash: the slash key goes to the box that finds everything, unless somebody is writing. */
(function () {
  "use strict";
  const box = document.querySelector("[data-slash]");
  if (!box) return;
  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    box.focus();
    box.select();
  });
})();
