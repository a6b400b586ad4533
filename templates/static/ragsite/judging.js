// The judging grid: the keys 0 to 4 grade the row that has the focus; j and k go down and up.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest("input:not([type=hidden]), select, textarea");
  if (field) return;
  const rows = [...document.querySelectorAll("[data-judged]")];
  const row = event.target.closest("[data-judged]");
  if (/^[0-4]$/.test(event.key) && row) {
    const grade = row.querySelector(`button[value="${event.key}"]`);
    grade.focus(); // so that htmx finds it again in the row's new form
    grade.click();
  } else if (event.key === "j" || event.key === "k") {
    const next = rows[rows.indexOf(row) + (event.key === "j" ? 1 : -1)] || (row ? row : rows[0]);
    if (next) next.querySelector("button").focus();
  } else {
    return;
  }
  event.preventDefault();
});
