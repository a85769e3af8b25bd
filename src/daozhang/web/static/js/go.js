/* data-go: a form that leads to the channel goes by itself, once; who comes back here decides with the button. */
(function () {
  "use strict";
  const form = document.querySelector("form[data-go]");
  if (!form || sessionStorage.getItem("went:" + location.pathname)) return;
  sessionStorage.setItem("went:" + location.pathname, "1");
  form.submit();
})();
