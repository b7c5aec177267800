// Joins the page's controls to the charts (Vega) and to the leaderboard (DataTables).
"use strict";

const charts = []; // {view, params} of every chart on the page
const table = { api: null, columns: {}, metrics: {} };

const json = (id) => JSON.parse(document.getElementById(id).textContent);

async function drawCharts() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const spec = json(place.dataset.chart);
    const { view } = await vegaEmbed(place, spec, {
      renderer: "svg", actions: false, tooltip: { disableDefaultStyle: true },
    });
    const params = new Set((spec.params ?? []).map((param) => param.name));
    charts.push({ view, params });
  }
}

async function setSignal(name, value) {
  for (const { view, params } of charts) {
    if (params.has(name)) await view.signal(name, value).runAsync();
  }
}

async function makeTable() {
  const element = document.getElementById("board");
  if (!element) return;
  const DataTable = await window.dataTables;
  table.columns = JSON.parse(element.dataset.filters);
  table.metrics = JSON.parse(element.dataset.metrics);
  table.api = new DataTable(element, {
    paging: false,
    autoWidth: false,
    order: JSON.parse(element.dataset.order),
    layout: { topStart: "info", topEnd: null, bottomStart: null, bottomEnd: null },
    language: { info: "_TOTAL_ rows", infoEmpty: "no rows", infoFiltered: "of _MAX_", emptyTable: "no rows", zeroRecords: "no rows" },
  });
}

// A cell says in data-search, divided by |, under which choices it is shown.
function filterTable(name, value) {
  if (!table.api) return;
  if (name === "metric") {
    for (const [metric, columns] of Object.entries(table.metrics)) table.api.columns(columns).visible(metric === value, false);
  } else if (name in table.columns) {
    const shown = (cell) => value === "" || cell.split("|").includes(value);
    table.api.column(table.columns[name]).search(value === "" ? "" : shown);
  }
  table.api.draw();
}

function showCharts(dataset) {
  for (const figure of document.querySelectorAll("figure[data-dataset]")) {
    figure.hidden = dataset !== "" && figure.dataset.dataset !== dataset;
  }
  window.dispatchEvent(new Event("resize")); // charts fit the width that they now have
}

async function applyFilter(select) {
  const { filter } = select.dataset;
  filterTable(filter, select.value);
  if (filter === "dataset") showCharts(select.value);
  if (filter === "metric" || (filter === "track" && select.value)) await setSignal(filter, select.value);
}

async function main() {
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const boxes = [...document.querySelectorAll("input[data-loss]")];
  const signals = [...document.querySelectorAll("select[data-signal]")];
  const applyAll = async () => { for (const select of filters) await applyFilter(select); };
  for (const select of filters) select.addEventListener("change", () => applyFilter(select));
  document.getElementById("filters")?.addEventListener("reset", () => setTimeout(applyAll));
  for (const box of boxes) {
    box.addEventListener("change", () => setSignal("hidden", boxes.filter((b) => !b.checked).map((b) => b.dataset.loss)));
  }
  for (const select of signals) select.addEventListener("change", () => setSignal(select.dataset.signal, select.value));
  await Promise.all([makeTable(), drawCharts()]);
  await applyAll(); // a browser may keep choices over a reload
  document.documentElement.dataset.ready = "yes";
}

main();
