// Sends a report in parts, because the server takes no larger requests, and goes on where an earlier try ended.
(() => {
  const PART = 512 * 1024;
  const form = document.getElementById("drop");
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const token = form.querySelector("input[name=csrfmiddlewaretoken]").value;
  const box = document.getElementById("sending");
  const bar = box.querySelector("progress");
  const sent = document.getElementById("sent");
  const trouble = document.getElementById("trouble");
  let stopped = false;

  const key = (file) => `upload ${file.name} ${file.size} ${file.lastModified}`;
  const headers = (more) => ({ "X-CSRFToken": token, ...more });

  async function begun(file) {
    const known = localStorage.getItem(key(file));
    if (known) {
      const answer = await fetch(`/imports/${known}/part`, { headers: headers({}) });
      if (answer.ok) {
        const have = (await answer.json()).have;
        if (have < file.size) return { number: known, have };
      }
    }
    const body = new FormData();
    body.append("name", file.name);
    body.append("size", file.size);
    const answer = await fetch(form.action, { method: "POST", body, headers: headers({}) });
    if (!answer.ok) throw new Error((await answer.json()).error || `The answer was ${answer.status}.`);
    const begins = await answer.json();
    localStorage.setItem(key(file), begins.number);
    return begins;
  }

  async function send(file) {
    stopped = false;
    trouble.textContent = "";
    box.hidden = false;
    const { number, have } = await begun(file);
    let at = have;
    while (at < file.size && !stopped) {
      const part = file.slice(at, at + PART);
      const range = `bytes ${at}-${at + part.size - 1}/${file.size}`;
      const answer = await fetch(`/imports/${number}/part`, {
        method: "PUT", body: part, headers: headers({ "Content-Range": range, "Content-Type": "application/octet-stream" }),
      });
      const said = await answer.json();
      if (answer.status === 409 && said.have !== undefined) at = said.have;
      else if (!answer.ok) throw new Error(said.error || `The answer was ${answer.status}.`);
      else at = said.have;
      bar.value = (100 * at) / file.size;
      sent.textContent = `${at.toLocaleString()} of ${file.size.toLocaleString()} bytes`;
    }
    if (stopped) {
      sent.textContent = "Stopped. Send the same file again to go on.";
      return;
    }
    localStorage.removeItem(key(file));
    location.assign(`/imports/${number}/`);
  }

  const start = (file) => send(file).catch((error) => {
    trouble.textContent = `It could not be sent: ${error.message} Send the same file again to go on.`;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files.length) start(input.files[0]);
  });
  document.getElementById("stop").addEventListener("click", () => { stopped = true; });
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files.length) start(event.dataTransfer.files[0]);
  });
})();
