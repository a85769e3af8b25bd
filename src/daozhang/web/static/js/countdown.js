/* data-countdown: counts the seconds left, by the browser's steady clock and not by its wall clock. */
(function () {
  "use strict";
  document.querySelectorAll("[data-countdown]").forEach(function (box) {
    const left = box.querySelector("[data-left]");
    const ends = performance.now() + Number(box.dataset.countdown) * 1000;
    function tick() {
      const seconds = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
      left.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
      if (seconds > 0) setTimeout(tick, 1000);
    }
    tick();
  });
})();
