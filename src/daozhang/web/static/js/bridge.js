/* data-bridge: opens the payment inside WeChat with the parameters that the server signed. The result is read from our server. */
(function () {
  "use strict";
  const button = document.querySelector("[data-bridge]");
  if (!button) return;
  function pay() {
    window.WeixinJSBridge.invoke("getBrandWCPayRequest", JSON.parse(button.dataset.bridge), function () { location.reload(); });
  }
  button.addEventListener("click", function () {
    if (window.WeixinJSBridge) pay();
    else document.addEventListener("WeixinJSBridgeReady", pay, { once: true });
  });
})();
