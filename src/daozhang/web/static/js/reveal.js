/* Every password can be looked at while it is typed: long words are typed wrong on small keys, and wrong ones pause the account. */
(function () {
  "use strict";
  const words = document.body.dataset;
  if (!words.reveal) return;
  document.querySelectorAll("main input[type=password]").forEach(function (input) {
    const label = input.labels.length ? input.labels[0].textContent : "";
    const frame = document.createElement("span");
    const button = document.createElement("button");

    function say(word) {
      button.textContent = word;
      button.setAttribute("aria-label", word + " " + label);
    }

    frame.className = "with-reveal";
    button.type = "button";
    button.className = "reveal";
    say(words.reveal);
    input.replaceWith(frame);
    frame.append(input, button);
    button.addEventListener("click", function () {
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      say(shown ? words.reveal : words.conceal);
      input.focus();
    });
    // What goes out is a password again: the browser then keeps it as one, and does not offer it as a word.
    if (input.form) input.form.addEventListener("submit", function () { input.type = "password"; });
  });
})();
