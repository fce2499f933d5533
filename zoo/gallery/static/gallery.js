// Search and task filter of the first page. A plain script: modules do not load from file://.

"use strict";

const search = document.getElementById("search");
const task = document.getElementById("task");
const tiles = [...document.querySelectorAll(".tile")];
const dots = [...document.querySelectorAll(".dot")];

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set();
  for (const tile of tiles) {
    const fits = words.every((word) => tile.dataset.words.includes(word)) && (!task.value || tile.dataset.task === task.value);
    tile.hidden = !fits;
    if (fits) shown.add(tile.dataset.model);
  }
  for (const dot of dots) dot.classList.toggle("faint", !shown.has(dot.dataset.model));
  document.getElementById("count").value = `${shown.size} of ${tiles.length} models`;
  document.getElementById("none").hidden = shown.size > 0;
}

search.addEventListener("input", filter);
task.addEventListener("change", filter);
filter(); // a page that is gone back to keeps its fields
