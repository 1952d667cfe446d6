// Copies ids, and renews the page when an envelope arrives.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  // Browsers offer the clipboard to secure origins and to this machine alone.
  const done = navigator.clipboard?.writeText(button.dataset.copy);
  button.textContent = await done?.then(() => "copied", () => null) ?? "cannot copy";
  setTimeout(() => { button.textContent = "copy"; }, 2000);
});

const renew = async () => {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const open = new Set([...document.querySelectorAll("details[open] [data-copy]")].map((it) => it.dataset.copy));
  for (const part of ["header", "main"]) document.querySelector(part).replaceWith(page.querySelector(part));
  for (const button of document.querySelectorAll("details [data-copy]")) {
    if (open.has(button.dataset.copy)) button.closest("details").open = true;
  }
};

// One after the other, so that the newest is shown last.
let renewed = Promise.resolve();
new EventSource("/updates").onmessage = () => {
  renewed = renewed.then(renew).catch(console.error);
};
