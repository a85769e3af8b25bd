/* data-renew: an open explanation asks now and then whether it still holds, and is shown anew when it does not. What a person is
   typing or has picked is never taken away. */
(function () {
  "use strict";
  const box = document.querySelector("[data-renew]");
  if (!box) return;
  let wait = 5000;

  function busy() {
    const words = box.querySelector("textarea");
    const pick = box.querySelector("input[name=pick]:checked");
    return Boolean((words && words.value) || (pick && !pick.defaultChecked));
  }

  function ask() {
    if (document.hidden) return setTimeout(ask, wait);
    fetch(box.dataset.renew + location.search, { headers: { accept: "application/json" } })
      .then(function (response) { return response.ok ? response.json() : null; })
      .then(function (state) { if (state && state.mark !== box.dataset.mark && !busy()) location.reload(); })
      .catch(function () {})
      .finally(function () {
        wait = Math.min(wait * 1.4, 30000);
        setTimeout(ask, wait);
      });
  }

  setTimeout(ask, wait);
})();
