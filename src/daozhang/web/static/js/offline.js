/* data-offline: says when the network is gone, and that nothing is lost by it; gone again once it is back. */
(function () {
  "use strict";
  const box = document.querySelector("[data-offline]");
  if (!box) return;
  function tell() { box.textContent = navigator.onLine ? "" : box.dataset.offline; }
  window.addEventListener("offline", tell);
  window.addEventListener("online", tell);
  tell();
})();
