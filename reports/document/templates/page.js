"use strict";

// Tables: sorted by the value behind a cell, never by its text; cells without one stay last.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, index) => {
    const numeric = head.classList.contains("number");
    const value = (row) => {
      const found = row.cells[index]?.dataset.value;
      return found === undefined ? null : numeric ? Number(found) : found;
    };
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
        return down ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// The interactive grid: a code's cell, what the code decodes to, and its neighbours'.
const COLOURS = { use: "test frames", umatrix: "distance to neighbours (U-matrix)" };

function element(tag, attributes, parent) {
  const svg = ["svg", "g", "line", "circle"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else made.setAttribute(name, value);
  }
  parent.append(made);
  return made;
}

// What a code decodes to, as points of a picture: x to the right, y downwards.
function drawn(value) {
  if (value === null) return [];
  if (typeof value !== "string") return [[value[0], -value[value.length - 1]]];
  return value.match(/.{4}/g).map((joint) => [Number(joint.slice(0, 2)), 99 - Number(joint.slice(2))]);
}

function frame(figures) {
  const all = figures.flat();
  const [left, top] = [0, 1].map((axis) => Math.min(...all.map((point) => point[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...all.map((point) => point[axis])));
  const size = Math.max(right - left, bottom - top) || 1;
  return { left: (left + right - size) / 2, top: (top + bottom - size) / 2, size };
}

function interactive(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const [rows, columns] = data.sides;
  const figures = data.values.map(drawn);
  const whole = frame(figures);
  const board = element("div", { class: "board" }, figure);
  const label = element("label", { text: "Colour: " }, board);
  const choice = element("select", {}, label);
  for (const [name, told] of Object.entries(COLOURS)) {
    element("option", { value: name, text: told }, choice);
  }
  const told = element("p", { class: "told", "aria-live": "polite" }, board);
  const map = element("div", { class: "cells", role: "grid", "aria-label": `Grid of ${rows} x ${columns} codes` }, board);
  map.style.setProperty("--shape", `${columns} / ${rows}`);
  map.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  const picture = element("svg", { viewBox: "0 0 300 300", role: "img", "aria-label": "The code and its neighbours" }, board);
  const cells = [];
  for (let row = 0; row < rows; row++) {
    const line = element("div", { role: "row" }, map);
    for (let column = 0; column < columns; column++) {
      const cell = element("div", { role: "gridcell", tabindex: -1, "aria-selected": false }, line);
      cell.setAttribute("aria-label", `row ${row + 1}, column ${column + 1}`);
      cells.push(cell);
    }
  }

  function colour() {
    const values = data[choice.value];
    const most = Math.max(...values) || 1; // null counts as 0
    cells.forEach((cell, index) => {
      cell.classList.toggle("empty", figures[index].length === 0);
      cell.style.setProperty("--share", Math.sqrt(Math.max(values[index] ?? 0, 0) / most));
    });
  }

  function around(index) {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const found = [];
    for (const down of [-1, 0, 1]) {
      for (const right of [-1, 0, 1]) {
        const [r, c] = [row + down, column + right];
        if ((down || right) && r >= 0 && r < rows && c >= 0 && c < columns) {
          found.push({ index: r * columns + c, down, right });
        }
      }
    }
    return found;
  }

  // Nine fields: the code in the middle, its neighbours where they lie on the grid.
  function poses(index, near) {
    const scale = 92 / whole.size;
    const pose = (code, right, down, name) => {
      const place = ([x, y]) => [(x - whole.left) * scale + 104 + 100 * right, (y - whole.top) * scale + 104 + 100 * down];
      const group = element("g", { class: name }, picture);
      const points = figures[code].map(place);
      for (const [a, b] of data.edges) {
        if (points[a] && points[b]) {
          element("line", { x1: points[a][0], y1: points[a][1], x2: points[b][0], y2: points[b][1] }, group);
        }
      }
    };
    near.forEach((each) => pose(each.index, each.right, each.down, "near"));
    pose(index, 0, 0, "chosen");
  }

  // All codes where they lie in the data, the grid drawn between the code and its neighbours.
  function points(index, near) {
    const scale = 280 / whole.size;
    const place = ([x, y]) => [(x - whole.left) * scale + 10, (y - whole.top) * scale + 10];
    const dot = (code, radius, group) => {
      for (const [cx, cy] of figures[code].map(place)) element("circle", { cx, cy, r: radius }, group);
    };
    const all = element("g", { class: "all" }, picture);
    figures.forEach((_, code) => dot(code, 1.8, all));
    const group = element("g", { class: "near" }, picture);
    for (const each of near) {
      const [a, b] = [figures[index][0], figures[each.index][0]];
      if (a && b) {
        const [[x1, y1], [x2, y2]] = [place(a), place(b)];
        element("line", { x1, y1, x2, y2 }, group);
      }
      dot(each.index, 3, group);
    }
    dot(index, 5, element("g", { class: "chosen" }, picture));
  }

  let chosen = -1;
  function choose(index) {
    if (index < 0 || index === chosen) return;
    chosen = index;
    const near = around(index);
    const beside = new Set(near.map((each) => each.index));
    cells.forEach((cell, each) => {
      cell.classList.toggle("near", beside.has(each));
      cell.setAttribute("aria-selected", each === index);
      cell.tabIndex = each === index ? 0 : -1;
    });
    picture.replaceChildren();
    (data.kind === "pose" ? poses : points)(index, near);
    const value = data.values[index];
    const facts = [`${data.use[index]} test frames`];
    if (data.kind === "point" && value !== null) facts.push(`at (${value.join(", ")}) ${data.unit}`.trim());
    if (data.umatrix[index] !== null) facts.push(`${data.umatrix[index]} ${data.unit}`.trim() + " from its neighbours");
    told.textContent =
      `Row ${Math.floor(index / columns) + 1} of ${rows}, column ${(index % columns) + 1} of ${columns}: ` +
      (value === null ? "no code here, or one that no frame has." : `${facts.join("; ")}.`);
  }

  const at = (event) => cells.indexOf(event.target);
  for (const kind of ["pointerover", "focusin", "click"]) map.addEventListener(kind, (event) => choose(at(event)));
  map.addEventListener("keydown", (event) => {
    const [row, column] = [Math.floor(chosen / columns), chosen % columns];
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [r, c] = [row + move[0], column + move[1]];
    if (r >= 0 && r < rows && c >= 0 && c < columns) cells[r * columns + c].focus();
  });
  choice.addEventListener("change", colour);
  colour();
  choose(Math.floor(rows / 2) * columns + Math.floor(columns / 2));
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("figure.map").forEach((figure) => {
  const folded = figure.closest("details:not([open])");
  if (folded) folded.addEventListener("toggle", () => interactive(figure), { once: true });
  else interactive(figure);
});
