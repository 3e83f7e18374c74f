// Puts the text of a field on the clipboard, and says what came of it. The field follows what is edited beside it.
(function () {
  "use strict";
  document.querySelectorAll("textarea[data-follows]").forEach((text) => {
    const fields = text.dataset.follows.split(" ").map((id) => document.getElementById(id)).filter(Boolean);
    const follow = () => {
      text.value = fields.map((field) => field.value).join("\n\n");
    };
    fields.forEach((field) => field.addEventListener("input", follow));
    if (fields.length) follow();
  });
  document.querySelectorAll("button[data-copies]").forEach((button) => {
    const text = document.getElementById(button.dataset.copies);
    const told = document.getElementById(button.dataset.tells);
    button.addEventListener("click", async () => {
      told.textContent = "";
      try {
        // Only over HTTPS, and only where the browser allows it.
        await navigator.clipboard.writeText(text.value);
        told.textContent = "The text is on the clipboard.";
      } catch (error) {
        text.focus();
        text.select();
        told.textContent = "The browser does not allow it here. The text is selected: copy it with Ctrl+C.";
      }
    });
  });
})();
