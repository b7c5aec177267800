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
    if (!params.has(name) || JSON.stringify(view.signal(name)) === JSON.stringify(value)) continue;
    await view.signal(name, value).runAsync();
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

// A cell says in data-search, divided by |, under which choices it is shown. A column that holds one choice is left out.
function filterTable(name, value) {
  if (!table.api) return;
  if (name === "metric") {
    for (const [metric, columns] of Object.entries(table.metrics)) table.api.columns(columns).visible(metric === value, false);
  } else {
    const shown = (cell) => cell.split("|").includes(value);
    table.api.column(table.columns[name]).search(value === "" ? "" : shown).visible(value === "", false);
  }
}

function showCharts(dataset) {
  for (const figure of document.querySelectorAll("figure[data-dataset]")) {
    figure.hidden = dataset !== "" && figure.dataset.dataset !== dataset;
  }
  window.dispatchEvent(new Event("resize")); // charts fit the width that they now have
}

async function main() {
  performance.mark("main");
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const boxes = [...document.querySelectorAll("input[data-loss]")];
  const signals = [...document.querySelectorAll("select[data-signal]")];

  const applyToTable = () => {
    for (const select of filters) filterTable(select.dataset.filter, select.value);
    table.api?.columns.adjust().draw();
  };
  const applyToCharts = async () => {
    for (const { dataset, value } of filters) {
      if (dataset.filter === "dataset") showCharts(value);
      if (dataset.filter === "metric" || (["regime", "track"].includes(dataset.filter) && value)) await setSignal(dataset.filter, value);
    }
    for (const { dataset, value } of signals) await setSignal(dataset.signal, value);
    await setSignal("hidden", boxes.filter((box) => !box.checked).map((box) => box.dataset.loss));
  };
  const apply = async () => { applyToTable(); await applyToCharts(); };

  for (const control of [...filters, ...boxes, ...signals]) control.addEventListener("change", apply);
  document.getElementById("filters")?.addEventListener("reset", () => setTimeout(apply)); // after the values are back

  await makeTable();
  applyToTable();
  performance.mark("table");
  await drawCharts();
  await applyToCharts(); // a browser may keep choices over a reload
  document.documentElement.dataset.ready = "yes";
  performance.mark("ready");
}

main();
