/* Between two pages the browser fades; when a third overtakes the second it gives the fading up, and says so as if a promise
   of ours had failed (the specification's own noise). Nothing failed: that, and nothing else, is not an error of the page. */
(function () {
  "use strict";
  addEventListener("unhandledrejection", function (event) {
    const why = event.reason;
    const gave = why instanceof DOMException && (why.name === "AbortError" || why.name === "InvalidStateError");
    if (gave && /^(View )?Transition was /i.test(why.message)) event.preventDefault();
  });
})();
