/* data-live: shows the page anew when its order has changed. Listens to the order's stream; when that fails, asks now and then. */
(function () {
  "use strict";
  /* A reader hears nothing of a page that is shown anew unless he is led to its answer. */
  if (sessionStorage.getItem("news") === location.pathname && document.activeElement === document.body) {
    document.getElementById("main").focus({ preventScroll: true });
  }
  sessionStorage.removeItem("news");

  const box = document.querySelector("[data-live]");
  if (!box) return;
  const mark = box.dataset.liveMark || box.dataset.mark;
  let wait = 2000;
  let source = null;
  let done = false;
  let asking = false;

  function news(seen) {
    if (done || !seen || seen === mark) return;
    done = true;
    if (source) source.close();
    sessionStorage.setItem("news", location.pathname);
    location.reload();
  }

  function ask() {
    asking = true;
    if (done) return;
    fetch(box.dataset.live + "/state", { headers: { accept: "application/json" } })
      .then(function (response) { return response.ok ? response.json() : null; })
      .then(function (state) { if (state) news(state.mark); })
      .catch(function () {})
      .finally(function () {
        wait = Math.min(wait * 1.3, 10000);
        if (!done) setTimeout(ask, wait);
      });
  }

  function listen() {
    source = new EventSource(box.dataset.live + "/stream");
    source.addEventListener("state", function (event) { news(event.data); });
    source.addEventListener("end", function () { source.close(); if (!asking) ask(); });
    source.addEventListener("error", function () {
      if (source.readyState === EventSource.CLOSED && !asking) ask();
    });
  }

  if (window.EventSource && !("asks" in box.dataset)) listen();
  else ask();
  /* A page nobody looks at holds no connection; looked at again, the first event tells what it missed. */
  document.addEventListener("visibilitychange", function () {
    if (done || !source) return;
    if (source) source.close();
    if (!document.hidden) listen();
  });
  window.addEventListener("pagehide", function () { if (source) source.close(); });
})();
