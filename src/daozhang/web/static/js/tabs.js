/* nav [aria-current]: a row of links that scrolls sideways on a phone begins where the link of the present page is in sight. */
(function () {
  "use strict";
  document.querySelectorAll("nav [aria-current]").forEach(function (here) {
    const row = here.closest("nav");
    row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
  });
})();
