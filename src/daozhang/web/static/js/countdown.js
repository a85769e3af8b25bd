/* data-countdown: counts the seconds left, by the browser's steady clock and not by its wall clock. */
(function () {
  "use strict";
  document.querySelectorAll("[data-countdown]").forEach(function (box) {
    const left = box.querySelector("[data-left]");
    const ends = performance.now() + Number(box.dataset.countdown) * 1000;
    function tick() {
      const seconds = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
      const hours = Math.floor(seconds / 3600);
      const minutes = Math.floor(seconds / 60) % 60;
      const clock = String(seconds % 60).padStart(2, "0");
      left.textContent = hours > 48 ? Math.floor(hours / 24) + (document.documentElement.lang.startsWith("zh") ? " 天" : " d")
        : hours ? hours + ":" + String(minutes).padStart(2, "0") + ":" + clock : minutes + ":" + clock;
      if (!seconds && box.dataset.done) box.textContent = box.dataset.done;
      if (seconds > 0) setTimeout(tick, 1000);
    }
    tick();
  });
})();
