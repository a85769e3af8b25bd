/* Marks that script runs, so that the style sheet can show what only works with it. */
(function () {
  "use strict";
  document.documentElement.classList.add("js");
})();
