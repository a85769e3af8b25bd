/* data-beside: after data-after seconds of silence the diagnosis opens beside the code, which stays where it is. */
(function () {
  "use strict";
  const box = document.querySelector("[data-beside]");
  if (!box) return;
  let timer = null;
  function open() {
    fetch(box.dataset.beside, { headers: { accept: "text/html" } })
      .then(function (response) { return response.ok ? response.text() : ""; })
      .then(function (text) {
        const found = new DOMParser().parseFromString(text, "text/html").querySelector("#beside");
        if (found) box.replaceChildren(found);
      })
      .catch(function () {});
  }
  function wait(seconds) {
    clearTimeout(timer);
    timer = setTimeout(open, seconds * 1000);
  }
  const after = Number(box.dataset.after);
  if (after) wait(after);
  /* Whoever left for the wallet and comes back has done something there: from then on silence counts. */
  let left = false;
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) left = true;
    else if (left) wait(60);
  });
})();
