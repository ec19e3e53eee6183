"use strict";
/* Search and sort for the two tables; without JavaScript the page is complete, only still. */
const search = document.getElementById("search");
const count = document.getElementById("count");
const rows = [...document.querySelectorAll("tbody tr")];
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) shown++;
  }
  count.textContent = words.length ? shown + " of " + rows.length + " rows" : "";
}
search.addEventListener("input", filter);
document.getElementById("tools").hidden = false;
for (const th of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = th.textContent;
  th.replaceChildren(button);
  button.addEventListener("click", () => {
    const body = th.closest("table").tBodies[0];
    const down = th.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[th.cellIndex];
      return cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
    };
    const order = (a, b) => {
      const x = key(a), y = key(b);
      return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    };
    const sorted = [...body.rows].sort(order);
    if (down) sorted.reverse();
    for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...sorted);
  });
}
