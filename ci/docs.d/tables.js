"use strict";

// Marks tables with sentences, and gives each of their cells the name of its column, for screens that are too narrow to
// show the columns beside each other (site.css).
for (const table of document.querySelectorAll("main table")) {
    const names = [...table.querySelectorAll("thead th")].map((name) => name.textContent);
    const cells = [...table.querySelectorAll("tbody td")];
    if (names.length > 2 && cells.some((cell) => cell.textContent.length > 60)) {
        table.classList.add("of-sentences");
        cells.forEach((cell) => { cell.dataset.column = names[cell.cellIndex]; });
    }
}
