// Turns the list of variables into buttons that insert them into the template that was edited last.
(function () {
  "use strict";
  const fields = () => document.querySelectorAll("input.template, textarea.template");
  let last = fields()[0];
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("input.template, textarea.template")) last = event.target;
  });
  document.querySelectorAll("code[data-variable]").forEach((code) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "variable";
    button.textContent = code.textContent;
    button.title = "Insert " + code.textContent;
    button.addEventListener("click", () => {
      if (!last) return;
      last.focus();
      last.setRangeText(code.textContent, last.selectionStart, last.selectionEnd, "end");
      last.dispatchEvent(new Event("input", { bubbles: true }));
    });
    code.replaceWith(button);
  });
  const help = document.getElementById("insertion");
  if (help) help.textContent += " Choose one to insert it where you were writing.";
})();
