// Puts the text of a field on the clipboard. Where a browser lets nobody do that, the buttons stay hidden.
(() => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copies]")) {
    const field = document.getElementById(button.dataset.copies);
    const told = document.querySelector(`[data-copied="${button.dataset.copies}"]`);
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(field.value);
        told.textContent = "Copied.";
      } catch {
        field.select();
        told.textContent = "The browser did not let it be copied. The text is selected: press Ctrl+C.";
      }
    });
  }
})();
