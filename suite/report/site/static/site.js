// Joins the page's controls to the charts (Vega) and to the leaderboard (DataTables).
"use strict";

const charts = []; // {view, params, figure} of every chart on the page
const table = { api: null, loss: 0, columns: {}, metrics: {}, waiting: [] };

const json = (id) => JSON.parse(document.getElementById(id).textContent);

async function drawCharts() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const spec = json(place.dataset.chart);
    const { view } = await vegaEmbed(place, spec, {
      config: window.chartConfig, renderer: "svg", actions: false, tooltip: { disableDefaultStyle: true },
    });
    const params = new Set((spec.params ?? []).map((param) => param.name));
    charts.push({ view, params, figure: place.closest("figure") });
  }
}

async function setSignal(name, value) {
  for (const { view, params, figure } of charts) {
    if (name === "track" && !has(figure, name, value)) continue; // it would be empty, and is hidden
    if (!params.has(name) || JSON.stringify(view.signal(name)) === JSON.stringify(value)) continue;
    await view.signal(name, value).runAsync();
  }
}

const escaped = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

// A cell is a text, or a text with what it is sorted by and perhaps a mark.
function boardCell(cell, losses, type) {
  const [text, order, mark] = Array.isArray(cell) ? cell : [cell, cell];
  if (type === "sort" || type === "type") return order;
  if (type !== "display") return text;
  const shown = mark ? ` <span class="tie">${escaped(mark)}</span>` : "";
  if (!Object.hasOwn(losses, text)) return escaped(text) + shown;
  const [href, colour, path] = losses[text];
  const swatch = `<svg class="swatch" viewBox="-1.5 -1.5 3 3" aria-hidden="true" focusable="false"><path d="${path}" fill="${colour}"/></svg>`;
  return `${swatch} <a href="${escaped(href)}">${escaped(text)}</a>${shown}`;
}

async function makeTable() {
  const element = document.getElementById("board");
  if (!element) return;
  const DataTable = await window.dataTables;
  table.columns = JSON.parse(element.dataset.filters);
  table.metrics = JSON.parse(element.dataset.metrics);
  const { losses, rows } = json("board-rows");
  table.waiting = rows;
  const heads = [...element.tHead.rows[0].cells];
  table.loss = heads.findIndex((head) => head.textContent.trim() === "loss");
  table.api = new DataTable(element, {
    data: [], // until the filters stand: drawing all rows first would take most of the time
    deferRender: true,
    columns: heads.map((head, place) => ({
      className: head.className,
      data: ([, cells], type) => boardCell(cells[place], head.textContent.trim() === "loss" ? losses : {}, type),
    })),
    createdRow: (row, [css]) => { row.className = css; },
    paging: false,
    autoWidth: false,
    order: JSON.parse(element.dataset.order),
    layout: { topStart: "info", topEnd: null, bottomStart: null, bottomEnd: null },
    language: { info: "_TOTAL_ rows", infoEmpty: "no rows", infoFiltered: "of _MAX_", emptyTable: "no rows", zeroRecords: "no rows" },
  });
}

// A column that holds one choice is left out.
function filterTable(name, value) {
  if (!table.api) return;
  if (name === "metric") {
    for (const [metric, columns] of Object.entries(table.metrics)) table.api.columns(columns).visible(metric === value, false);
  } else {
    const shown = (cell) => cell === value;
    table.api.column(table.columns[name]).search(value === "" ? "" : shown).visible(value === "", false);
  }
}

// Elements that a filter hides carry its name: data-regime, data-track, data-dataset, data-losses.
const HIDING = ["regime", "track", "dataset", "losses"];

// A loss that is not ticked stands in no table.
function leaveOut(without) {
  for (const row of document.querySelectorAll("main tr[data-row]")) {
    const left = without.includes(row.dataset.row);
    row.hidden = left || (row.dataset.losses !== undefined && row.hidden);
  }
  if (!table.api) return;
  table.api.column(table.loss).search(without.length ? (cell) => !without.includes(cell) : "");
}

// A chart shows several tracks, divided by |.
function has(element, name, value) {
  const own = element.dataset[name];
  return name === "track" ? own.split("|").includes(value) : own === value;
}

function hideOthers(choice) {
  for (const name of HIDING.filter((each) => each in choice)) {
    for (const element of document.querySelectorAll(`main [data-${name}]`)) {
      element.hidden = HIDING.some((each) => choice[each] && element.dataset[each] && !has(element, each, choice[each]));
    }
  }
  window.dispatchEvent(new Event("resize")); // charts fit the width that they now have
}

// The address holds what differs from the first view, so that a link shows the same. Every page hands it on to the pages that
// it links to, with what only another page can choose.
function readAddress(filters, boxes) {
  if (location.hash && !location.hash.includes("=")) return; // a place on the page
  const kept = new URLSearchParams(location.hash.slice(1));
  for (const select of filters) {
    const value = kept.get(select.name);
    const first = [...select.options].find((option) => option.defaultSelected) ?? select.options[0];
    select.value = [...select.options].some((option) => option.value === value) ? value : first.value;
  }
  const without = new Set(kept.getAll("without"));
  for (const box of boxes) box.checked = !without.has(box.dataset.loss);
}

function writeAddress(filters, boxes) {
  const kept = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  for (const name of filters.length ? ["without", ...filters.map((select) => select.name)] : []) kept.delete(name);
  for (const select of filters) {
    if (![...select.selectedOptions].every((option) => option.defaultSelected)) kept.set(select.name, select.value);
  }
  for (const box of boxes) if (!box.checked) kept.append("without", box.dataset.loss);
  const hash = kept.size ? `#${kept}` : "";
  const placed = location.hash !== "" && !location.hash.includes("=");
  if (hash !== location.hash && !(placed && hash === "")) history.replaceState(null, "", location.pathname + location.search + hash);
  const folder = (place) => `${place.protocol}//${place.host}${place.pathname.slice(0, place.pathname.lastIndexOf("/") + 1)}`;
  for (const link of document.querySelectorAll("a[href]")) {
    const ours = folder(link) === folder(location) && link.pathname.endsWith(".html");
    if (ours && (link.hash === "" || link.hash.includes("="))) link.hash = hash;
  }
}

// Rows of the leaderboard are fetched when somebody saves them: a classic script, since a page on disk may not fetch.
function loadBoard() {
  return new Promise((resolve, reject) => {
    if (window.boardRows) { resolve(window.boardRows); return; }
    const script = document.createElement("script");
    script.src = "assets/board.js";
    script.onload = () => resolve(window.boardRows);
    script.onerror = reject;
    document.head.append(script);
  });
}

function shownRows(board, choice, wanted, without) {
  const place = Object.fromEntries(board.columns.map((name, n) => [name, n]));
  const columns = wanted.filter((name) => name in place);
  const noise = (row) => `${row[place.noise_kind]} ${Number(row[place.noise_level])}`;
  const shown = (row) =>
    ["regime", "track", "dataset"].every((name) => !choice[name] || row[place[name]] === choice[name]) &&
    (!choice.losses || row[place.loss_set] === choice.losses || row[place.loss_set] === "") &&
    (!choice.noise || noise(row) === choice.noise) && !without.includes(row[place.loss]);
  return board.rows.filter(shown).map((row) => Object.fromEntries(columns.map((name) => [name, row[place[name]]])));
}

// A text that a spreadsheet would take for a formula gets an apostrophe.
function csvCell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asCsv(rows) {
  const columns = Object.keys(rows[0] ?? {});
  return [columns, ...rows.map((row) => columns.map((name) => row[name]))].map((line) => line.map(csvCell).join(",") + "\n").join("");
}

async function save(format, choice, without) {
  const form = document.getElementById("filters"); // whose choice named dataset hides its own property of that name
  const saved = JSON.parse(form.getAttribute("data-saved"));
  const rows = shownRows(await loadBoard(), choice, saved[choice.metric ?? ""], without);
  const text = format === "csv" ? asCsv(rows) : `${JSON.stringify(rows, null, 2)}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: format === "csv" ? "text/csv" : "application/json" }));
  link.download = `${form.getAttribute("data-file")}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function main() {
  performance.mark("main");
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const boxes = [...document.querySelectorAll("input[data-loss]")];
  const signals = [...document.querySelectorAll("select[data-signal]")];
  const chosen = () => Object.fromEntries(filters.map((select) => [select.dataset.filter, select.value]));
  const without = () => boxes.filter((box) => !box.checked).map((box) => box.dataset.loss);

  const applyToPage = () => {
    for (const select of filters) filterTable(select.dataset.filter, select.value);
    hideOthers(chosen());
    leaveOut(without());
    table.api?.rows.add(table.waiting.splice(0)).columns.adjust().draw();
    writeAddress(filters, boxes);
  };
  const applyToCharts = async () => {
    const choice = chosen();
    for (const name of ["metric", "track"]) if (choice[name]) await setSignal(name, choice[name]);
    for (const { dataset, value } of signals) await setSignal(dataset.signal, value);
    const hidden = boxes.filter((box) => !box.checked || box.closest("label").hidden).map((box) => box.dataset.loss);
    await setSignal("hidden", hidden);
  };
  const apply = async () => { applyToPage(); await applyToCharts(); };

  for (const control of [...filters, ...boxes, ...signals]) control.addEventListener("change", apply);
  document.getElementById("filters")?.addEventListener("reset", () => {
    setTimeout(() => { // after the values are back; address and page change in one step
      for (const box of boxes) box.checked = true;
      history.replaceState(null, "", location.pathname + location.search);
      apply();
    });
  });
  for (const button of document.querySelectorAll("button[data-save]")) {
    button.addEventListener("click", () => save(button.dataset.save, chosen(), without()));
  }
  window.addEventListener("hashchange", () => { readAddress(filters, boxes); apply(); });

  readAddress(filters, boxes);
  await makeTable();
  applyToPage();
  performance.mark("table");
  await drawCharts();
  await applyToCharts(); // a browser may keep choices over a reload
  document.documentElement.dataset.ready = "yes";
  performance.mark("ready");
}

main();
