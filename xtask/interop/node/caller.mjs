// The script of a page without an SDK: one call to another origin. The page script adds the trace to it.

const response = await fetch(document.body.dataset.next);
const shown = document.getElementById('reply');
shown.textContent = JSON.stringify(await response.json(), null, 2);
shown.dataset.done = '';
