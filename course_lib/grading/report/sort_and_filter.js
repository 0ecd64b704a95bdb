const table = document.querySelector(".marks table");
const body = table.tBodies[0];
const box = document.querySelector("#filter");
box.hidden = false;
box.addEventListener("input", () => {
  const wanted = box.value.toLocaleLowerCase();
  for (const row of body.rows) {
    row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
  }
});
table.querySelectorAll("thead th").forEach((th, column) => {
  const label = th.querySelector("span") ?? th;
  const button = document.createElement("button");
  button.append(...label.childNodes);
  button.title = "sort";
  label.append(button);
  let direction = column === 0 ? 1 : -1;
  button.addEventListener("click", () => {
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const rows = [...body.rows].sort((a, b) =>
      direction * key(a).localeCompare(key(b), undefined, { numeric: true }));
    body.append(...rows);
    for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    direction = -direction;
  });
});
