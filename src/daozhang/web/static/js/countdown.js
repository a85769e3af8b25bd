/* data-countdown: counts the seconds left, by the browser's steady clock and not by its wall clock. What is done time and again
   (data-again says when) is counted down to again: a page that nothing changes would say for minutes that it is being done. */
(function () {
  "use strict";
  document.querySelectorAll("[data-countdown]").forEach(function (box) {
    const left = box.querySelector("[data-left]");
    const counting = Array.from(box.childNodes);
    let ends = 0;
    let wait = 2000;

    function begin(seconds) {
      ends = performance.now() + seconds * 1000;
      tick();
    }

    function tick() {
      const seconds = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
      const hours = Math.floor(seconds / 3600);
      const minutes = Math.floor(seconds / 60) % 60;
      const clock = String(seconds % 60).padStart(2, "0");
      left.textContent = hours > 48 ? Math.floor(hours / 24) + (document.documentElement.lang.startsWith("zh") ? " 天" : " d")
        : hours ? hours + ":" + String(minutes).padStart(2, "0") + ":" + clock : minutes + ":" + clock;
      if (seconds > 0) setTimeout(tick, 1000);
      else if (box.dataset.done) {
        box.textContent = box.dataset.done;
        if (box.dataset.again) setTimeout(ask, wait);
      } else if ("renews" in box.dataset) location.reload();
    }

    function ask() {
      wait = Math.min(wait * 1.5, 30000);
      if (document.hidden) setTimeout(ask, wait);
      else fetch(box.dataset.again, { headers: { accept: "application/json" } })
        .then(function (response) { return response.ok ? response.json() : {}; })
        .then(function (state) {
          if (state.next_s > 0) {
            wait = 2000;
            box.replaceChildren.apply(box, counting);
            begin(state.next_s);
          } else if (state.next_s === 0) setTimeout(ask, wait);
          else box.textContent = "";
        })
        .catch(function () { setTimeout(ask, wait); });
    }

    begin(Number(box.dataset.countdown));
  });
})();
