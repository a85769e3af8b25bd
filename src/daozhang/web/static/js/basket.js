/* data-basket: the sum, the button and what the balance pays follow the number of pieces. The server works it out anew. */
(function () {
  "use strict";
  const box = document.querySelector("[data-basket]");
  if (!box) return;
  const count = box.querySelector("#count");
  const button = box.querySelector("[data-buy]");
  if (!count || !button) return;
  const price = Number(box.dataset.price);
  const there = Number(box.dataset.there);
  const least = Number(box.dataset.least);
  const short = box.querySelector("[data-short]");
  const mixed = box.querySelector("[data-mixed]");
  const words = short ? short.textContent : "";

  function yuan(fen) {
    const whole = String(Math.floor(fen / 100)).replace(/\B(?=(\d{3})+$)/g, ",");
    return "¥" + whole + "." + String(fen % 100).padStart(2, "0");
  }

  function pieces() {
    return /^[1-9][0-9]{0,2}$/.test(count.value) ? Number(count.value) : 0;
  }

  function show() {
    const total = price * pieces();
    const rest = Math.max(total - there, Math.min(least, total));
    button.textContent = button.dataset.buy.replace("{amount}", yuan(total));
    if (short) {
      short.hidden = total <= there;
      short.textContent = words.replace(/¥[0-9,.]+/, yuan(Math.max(0, total - there)));
    }
    if (mixed) mixed.textContent = mixed.dataset.mixed.replace("{amount}", yuan(total - rest)).replace("{rest}", yuan(rest));
  }

  box.querySelectorAll("[data-step]").forEach(function (each) {
    each.addEventListener("click", function () {
      count.value = String(Math.min(100, Math.max(1, pieces() + Number(each.dataset.step))));
      show();
    });
  });
  count.addEventListener("input", show);
})();
