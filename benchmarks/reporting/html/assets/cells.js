"use strict";
/* Provenance of a number: a click on a cell's name shows its codec and head with their versions, hashes and settings. */
(() => {
  const { plugins, cells } = JSON.parse(document.getElementById("cells-data").textContent);
  const dialog = document.getElementById("cell");
  document.getElementById("points").addEventListener("click", (event) => {
    const name = event.target.dataset?.cell;
    if (!name || !cells[name]) return;
    const [codec, head, rest] = cells[name];
    dialog.querySelector("h2").textContent = `Cell ${name}`;
    dialog.querySelector("pre").textContent = JSON.stringify({ ...rest, codec: plugins[codec], head: plugins[head] }, null, 2);
    dialog.showModal();
  });
})();
