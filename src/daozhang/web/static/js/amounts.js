/* data-amounts: reads a typed amount back in digits and words (the server does the reading), and says the sum on the button. */
(function () {
  "use strict";
  const box = document.querySelector("[data-amounts]");
  if (!box) return;
  const typed = box.querySelector("#other_amount");
  const error = box.querySelector("[data-amount-error]");
  const echo = box.querySelector("[data-echo]");
  const words = echo.querySelector("span");
  const digits = echo.querySelector("b");
  const go = document.querySelector("[data-go]");
  const plain = go ? go.textContent : "";
  const blank = { text: words.textContent, small: words.className };
  let timer = 0;
  let round = 0;

  function say(amount) {
    if (go) go.textContent = amount ? box.dataset.goText.replace("{amount}", amount) : plain;
  }

  function hear(answer) {
    words.className = answer.words ? "words" : "small";
    words.textContent = answer.words || answer.error || blank.text;
    digits.textContent = answer.shown || "";
    if (answer.words || !typed.value) {
      error.hidden = true;
      typed.removeAttribute("aria-invalid");
      typed.closest(".field").classList.remove("wrong");
    }
    say(answer.shown);
  }

  function ask() {
    const mine = ++round;
    if (!typed.value) return hear({});
    fetch(echo.dataset.echo + "?amount=" + encodeURIComponent(typed.value), { headers: { accept: "application/json" } })
      .then(function (response) { return response.ok ? response.json() : {}; })
      .then(function (answer) { if (mine === round) hear(answer); })
      .catch(function () { if (mine === round) hear({}); });
  }

  function choose(focus) {
    const pick = box.querySelector(".pick:checked");
    if (pick && pick.value !== "other") return say(pick.dataset.shown);
    say(digits.textContent);
    if (focus) typed.focus();
  }

  box.addEventListener("change", function (event) { if (event.target.name === "amount") choose(true); });
  typed.addEventListener("input", function () { clearTimeout(timer); timer = setTimeout(ask, 180); });
  choose(false);
})();
