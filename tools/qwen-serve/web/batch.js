// The batch page: reads a table, labels every text, lets a person correct the labels, and writes the table.
import { ApiError, classify } from "./api.js";
import { confusionTable, labelChart, timeChart } from "./chart.js";
import { withKey } from "./connection.js";
import { dayOf, findDateColumn, findLabelColumn, findTextColumn, formatTable, readTable } from "./csv.js";
import { taskName } from "./dialogs.js";
import { element } from "./dom.js";
import { decode, download, kEncodings, pickFile } from "./files.js";
import { labelName, percent, t } from "./i18n.js";
import { mark, polarity, shownEmoji, shownName } from "./label_view.js";
import { announce, toast } from "./notices.js";
import { state } from "./state.js";
import { forgetBatch, loadBatch, saveBatch } from "./store.js";

const kTextsAtOnce = 32;    // in one request
const kPageRows = 50;       // rows shown at a time
const kDrawMs = 250;
const kSaveMs = 3000;
const kTries = 20;          // of one request while the server is busy or away
const kPreview = 5;

const get = (id) => document.getElementById(id);

// {name, bytes, encoding, options, task, textColumn, labelColumn, dateColumn, results: [], corrections: {}} or null.
// results[i]: a label, {error}, or undefined; corrections: row -> label text.
let batch = null;
let table = null;    // readTable's
let running = null;  // {controller, began, before}
let filter = { label: "", order: "file", page: 0 };
let timers = { draw: 0, saved: 0 };

const tasks = () => (state.info?.tasks || []).filter(({ kind }) => kind === "classify");
const currentTask = () => tasks().find(({ name }) => name === batch.task);
const columnName = (column) => table.header[column] || t("column", { n: column + 1 });
const labelOf = (row) => batch.corrections[row] || (batch.results[row]?.label && !batch.results[row].abstained ? batch.results[row].label : null);
const done = () => batch.results.reduce((count, result) => count + (result === undefined || result === null ? 0 : 1), 0);

function save() {
  timers.saved = Date.now();
  return saveBatch(batch).catch(() => toast(t("notSaved")));
}

// ---- Reading a file

async function load(name, bytes) {
  batch = { name, bytes, encoding: null, options: {}, task: null, textColumn: null, labelColumn: -1, dateColumn: -1, results: [], corrections: {} };
  filter = { label: "", order: "file", page: 0 };
  if (read()) save();
  draw();
}

// Reads batch.bytes with what is chosen; finds what is not. False if the bytes are not text.
function read() {
  let text;
  try {
    ({ text, encoding: batch.encoding } = decode(batch.bytes, batch.encoding));
  } catch (error) {
    toast(t(error.message, { name: batch.name }));
    batch = table = null;
    return false;
  }
  table = readTable(text, batch.options);
  batch.options.hasHeader = table.hasHeader;
  batch.options.delimiter = table.delimiter;
  if (batch.textColumn === null || batch.textColumn >= table.header.length) {
    batch.textColumn = findTextColumn(table);
    batch.labelColumn = findLabelColumn(table);
    batch.dateColumn = findDateColumn(table);
  }
  if (batch.task === null) batch.task = state.info?.defaults?.task || tasks()[0]?.name || null;
  return true;
}

function reread(change) {
  Object.assign(batch, { results: [], corrections: {}, textColumn: null });
  change();
  if (read()) save();
  draw();
}

// ---- Requests

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(new DOMException("", "AbortError"));
  }, { once: true });
});

// The labels of some rows. A server that is busy or away is asked again; a text that it refuses gets an error.
async function label(rows, signal) {
  for (let tries = 0; ; ++tries) {
    try {
      return await withKey(() => classify(batch.task, rows.map((row) => table.rows[row].cells[batch.textColumn]), signal));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      const again = error.kind === "busy" || error.kind === "offline" || error.kind === "broken";
      if (again && tries < kTries) {
        await pause(1000 * (error.retryAfter || 1), signal);
      } else if (error.kind === "refused" && rows.length > 1) {
        const results = [];
        for (const row of rows) results.push(...await label([row], signal));
        return results;
      } else if (error.kind === "refused") {
        return [{ error: error.message }];
      } else {
        throw error;
      }
    }
  }
}

async function start() {
  if (running || !batch) return;
  const controller = new AbortController();
  const mine = batch;
  running = { controller, began: performance.now(), before: done() };
  draw();
  let failure = null;
  try {
    const rows = [];
    for (let row = 0; row < table.rows.length; ++row) {
      if (mine.results[row]) continue;
      if ((table.rows[row].cells[mine.textColumn] || "").trim() === "") mine.results[row] = { error: t("emptyText") };
      else rows.push(row);
    }
    // Short and long texts apart would be faster; in the order of the file, people see it grow.
    for (let at = 0; at < rows.length; at += kTextsAtOnce) {
      const part = rows.slice(at, at + kTextsAtOnce);
      const results = await label(part, controller.signal);
      part.forEach((row, i) => { mine.results[row] = results[i]; });
      if (performance.now() - timers.draw > kDrawMs) drawProgress();
      if (Date.now() - timers.saved > kSaveMs) save();
    }
  } catch (error) {
    if (error.name !== "AbortError") failure = error;
  }
  running = null;
  if (batch !== mine) return;
  await save();
  draw();
  if (failure) toast(t(failure instanceof ApiError ? failure.kind : "failed", { why: failure.message }));
  else if (done() === table.rows.length) announce(t("batchDone", { n: table.rows.length }));
}

function cancel() {
  running?.controller.abort();
}

// ---- What is shown

function select(id, options, value, onchange) {
  const node = element("select", { id }, ...options.map(([key, text]) => element("option", { value: String(key), text })));
  node.value = String(value);
  node.addEventListener("change", () => onchange(node.value));
  return node;
}

const field = (text, control) => element("label", { class: "field" }, element("span", { text }), control);

const kDelimiterNames = { ",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", null: "lines" };

function drawOptions() {
  const columns = table.header.map((_, column) => [column, columnName(column)]);
  const maybe = [[-1, t("noColumn")], ...columns];
  const fresh = (name) => (value) => {
    Object.assign(batch, { [name]: Number(value), ...(name === "textColumn" ? { results: [], corrections: {} } : {}) });
    save();
    draw();
  };
  // What a run depends on cannot change while it lasts.
  const fixed = (control) => {
    control.disabled = running !== null;
    return control;
  };
  get("batch-options").replaceChildren(
    field(t("textColumn"), fixed(select("batch-text", columns, batch.textColumn, fresh("textColumn")))),
    field(t("batchTask"), fixed(select("batch-task", tasks().map((task) => [task.name, taskName(task)]), batch.task, (name) => {
      Object.assign(batch, { task: name, results: [], corrections: {} });
      save();
      draw();
    }))),
    field(t("labelColumn"), select("batch-label", maybe, batch.labelColumn, fresh("labelColumn"))),
    field(t("dateColumn"), select("batch-date", maybe, batch.dateColumn, fresh("dateColumn"))),
    element("details", { class: "more" }, element("summary", { text: t("readAs") }),
      field(t("encoding"), fixed(select("batch-encoding", kEncodings.map((name) => [name, name.toUpperCase()]), batch.encoding,
        (name) => reread(() => { batch.encoding = name; })))),
      field(t("delimiter"), fixed(select("batch-delimiter", Object.entries(kDelimiterNames).map(([key, name]) => [key, t(name)]), table.delimiter,
        (key) => reread(() => { batch.options = { delimiter: key === "null" ? null : key, hasHeader: null }; })))),
      field(t("hasHeader"), fixed(select("batch-header", [[true, t("yes")], [false, t("no")]], table.hasHeader,
        (value) => reread(() => { batch.options.hasHeader = value === "true"; }))))));
}

function drawPreview() {
  const rows = table.rows.slice(0, kPreview);
  get("batch-preview").replaceChildren(element("table", {},
    element("caption", { text: t("preview", { name: batch.name, n: table.rows.length }) }),
    element("thead", {}, element("tr", {}, ...table.header.map((_, column) =>
      element("th", { scope: "col", class: column === batch.textColumn ? "chosen" : "", text: columnName(column) })))),
    element("tbody", {}, ...rows.map(({ cells }) => element("tr", {}, ...table.header.map((_, column) =>
      element("td", { class: column === batch.textColumn ? "chosen" : "", text: cells[column] || "" })))))));
  const broken = table.rows.filter((row) => row.broken);
  get("batch-broken").hidden = broken.length === 0;
  const lines = broken.slice(0, 5).map((row) => row.line).join(", ") + (broken.length > 5 ? " …" : "");
  get("batch-broken").textContent = broken.length === 0 ? "" : t("brokenRows", { n: broken.length, lines });
}

function timeLeft(seconds) {
  if (seconds < 60) return t("seconds", { n: Math.max(1, Math.round(seconds)) });
  return t("minutes", { n: Math.round(seconds / 60) });
}

function drawProgress() {
  timers.draw = performance.now();
  const [count, total] = [done(), table.rows.length];
  const bar = get("batch-progress");
  bar.max = total;
  bar.value = count;
  bar.hidden = !running && count === 0;
  const rate = running ? (count - running.before) / ((performance.now() - running.began) / 1000) : 0;
  get("batch-rate").textContent = running && rate > 0
    ? t("batchRate", { count, total, rate: rate < 10 ? rate.toFixed(1) : Math.round(rate), left: timeLeft((total - count) / rate) })
    : t("batchCount", { count, total });
  get("batch-start").hidden = running !== null || count === total;
  get("batch-start").textContent = t(count > 0 ? "batchResume" : "batchStart");
  get("batch-cancel").hidden = running === null;
  get("batch-download").disabled = count === 0;
}

// The labels of the task, and how a label that a person wrote in the file is called there.
const labels = () => currentTask()?.labels || [];
const kYes = new Set(["1", "pos", "positive", "正面", "积极", "好评", "true"]);
const kNo = new Set(["0", "-1", "neg", "negative", "负面", "消极", "差评", "false"]);

function rightLabel(row) {
  if (batch.labelColumn < 0) return null;
  const cell = (table.rows[row].cells[batch.labelColumn] || "").trim().toLowerCase();
  if (cell === "") return null;
  for (const { text, display } of labels()) {
    if (cell === text.toLowerCase() || cell === String(display || "").toLowerCase()) return text;
  }
  const kind = kYes.has(cell) ? "positive" : kNo.has(cell) ? "negative" : null;
  return labels().find(({ text }) => kind && polarity({ label: text }) === kind)?.text || null;
}

function drawCharts() {
  const counts = new Map(labels().map(({ text }) => [text, 0]));
  const points = [];
  const matrix = {};
  let unsure = 0;
  let known = 0;
  let right = 0;
  batch.results.forEach((result, row) => {
    if (!result || result.error) return;
    const name = labelOf(row);
    if (name === null) unsure += 1;
    else counts.set(name, (counts.get(name) || 0) + 1);
    const kind = name === null ? "unsure" : polarity({ label: name });
    const day = batch.dateColumn >= 0 ? dayOf(table.rows[row].cells[batch.dateColumn] || "") : null;
    if (day) points.push({ day, kind });
    const wanted = rightLabel(row);
    if (wanted === null) return;
    known += 1;
    const found = result.label;  // what the model found, not what a person made of it
    if (!matrix[wanted]) matrix[wanted] = {};
    matrix[wanted][found] = (matrix[wanted][found] || 0) + 1;
    if (found === wanted) right += 1;
  });
  const nodes = [];
  if (done() > 0) {
    nodes.push(labelChart([
      ...[...counts].map(([name, count]) => ({ name: labelName(name), kind: polarity({ label: name }), count })),
      { name: t("unsure"), kind: "unsure", count: unsure },
    ]));
  }
  if (points.length > 0) {
    const kinds = ["positive", "plain", "unsure", "negative"].filter((kind) => points.some((point) => point.kind === kind));
    nodes.push(timeChart(points, kinds));
  }
  if (known > 0) {
    nodes.push(element("div", { class: "accuracy" },
      element("p", { text: t("accuracy", { share: percent(right / known), right, known }) }),
      confusionTable(labels().map(({ text }) => text), matrix, labelName)));
  }
  get("batch-charts").replaceChildren(...nodes.filter(Boolean));
}

function shownRows() {
  const rows = [];
  batch.results.forEach((result, row) => {
    if (!result) return;
    const name = result.error ? "error" : labelOf(row) || "unsure";
    const wrong = filter.label === "wrong" && rightLabel(row) !== null && rightLabel(row) !== result.label;
    if (filter.label === "" || filter.label === name || wrong || (filter.label === "corrected" && batch.corrections[row])) rows.push(row);
  });
  if (filter.order === "unsure") {
    const sureness = (row) => (batch.corrections[row] ? 2 : batch.results[row].probability || 0);
    rows.sort((a, b) => sureness(a) - sureness(b));
  }
  return rows;
}

function resultRow(row) {
  const result = batch.results[row];
  const cells = table.rows[row].cells;
  const corrected = batch.corrections[row];
  const wanted = rightLabel(row);
  const text = element("td", { class: "text" }, element("div", { dir: "auto", text: cells[batch.textColumn] || "" }));
  if (result.error) {
    return element("tr", { class: "failed" }, element("td", { class: "number", text: String(row + 1) }), text,
      element("td", { colSpan: 3, text: result.error }));
  }
  const choice = select("", [["", t("asFound")], ...labels().map(({ text: name }) => [name, labelName(name)])], corrected || "", (name) => {
    if (name === "") delete batch.corrections[row];
    else batch.corrections[row] = name;
    save();
    drawCharts();
    node.replaceWith(resultRow(row));
  });
  choice.removeAttribute("id");
  choice.setAttribute("aria-label", t("correct", { n: row + 1 }));
  const kind = polarity(result);
  const node = element("tr", { class: corrected ? "corrected" : "" },
    element("td", { class: "number", text: String(row + 1) }), text,
    element("td", {}, mark(kind), " ", element("span", { class: "emoji", "aria-hidden": "true", text: shownEmoji(result) }), ` ${shownName(result)}`,
      ...(wanted !== null && wanted !== result.label ? [element("small", { text: t("fileSays", { label: labelName(wanted) }) })] : []),
      ...(result.truncated_tokens > 0 ? [element("small", { text: t("truncated", { n: result.truncated_tokens }) })] : [])),
    element("td", { class: "number", text: percent(result.probability) }),
    element("td", {}, choice));
  return node;
}

function drawRows() {
  const rows = shownRows();
  const pages = Math.max(1, Math.ceil(rows.length / kPageRows));
  filter.page = Math.min(filter.page, pages - 1);
  const part = rows.slice(filter.page * kPageRows, (filter.page + 1) * kPageRows);
  const turn = (step) => {
    filter.page += step;
    drawRows();
    get("batch-rows").scrollIntoView();
  };
  const pager = element("div", { class: "pager" },
    element("button", { type: "button", text: t("pageBefore"), disabled: filter.page === 0, onclick: () => turn(-1) }),
    element("span", { text: t("pageOf", { page: filter.page + 1, pages, n: rows.length }) }),
    element("button", { type: "button", text: t("pageAfter"), disabled: filter.page === pages - 1, onclick: () => turn(1) }));
  const names = [["", t("allRows")], ...labels().map(({ text }) => [text, labelName(text)]), ["unsure", t("unsure")], ["error", t("rowErrors")],
    ["corrected", t("correctedRows")], ...(batch.labelColumn >= 0 ? [["wrong", t("wrongRows")]] : [])];
  get("batch-rows").hidden = done() === 0;
  get("batch-rows").replaceChildren(
    element("div", { class: "filters" },
      field(t("show"), select("batch-filter", names, filter.label, (value) => { Object.assign(filter, { label: value, page: 0 }); drawRows(); })),
      field(t("order"), select("batch-order", [["file", t("orderFile")], ["unsure", t("orderUnsure")]], filter.order,
        (value) => { Object.assign(filter, { order: value, page: 0 }); drawRows(); }))),
    element("table", { class: "results" },
      element("thead", {}, element("tr", {}, ...[t("row"), columnName(batch.textColumn), t("found"), t("share"), t("correction")].map((text) =>
        element("th", { scope: "col", text })))),
      element("tbody", {}, ...part.map(resultRow))),
    pager);
}

function draw() {
  if (!begun) return;
  get("batch-empty").hidden = batch !== null;
  get("batch-work").hidden = batch === null;
  if (batch === null) return;
  drawOptions();
  drawPreview();
  drawProgress();
  drawCharts();
  drawRows();
}

// ---- The table with its labels as a file

function exportTable() {
  const names = [t("columnLabel"), t("columnShare"), t("columnCorrected")];
  const head = [...table.header.map((_, column) => columnName(column)), ...names];
  const rows = table.rows.map(({ cells }, row) => {
    const result = batch.results[row];
    const found = !result ? ["", "", ""] : result.error ? ["", "", ""]
      : [labelOf(row) || t("unsure"), result.probability.toFixed(4), batch.corrections[row] ? "1" : ""];
    return [...table.header.map((_, column) => cells[column] || ""), ...found];
  });
  // Excel reads a file as UTF-8 only if it begins with a byte order mark.
  const delimiter = table.delimiter || ",";
  const name = `${batch.name.replace(/\.\w+$/, "")}-${t("labeled")}.${delimiter === "\t" ? "tsv" : "csv"}`;
  download(name, "text/csv;charset=utf-8", `\ufeff${formatTable([head, ...rows], delimiter)}`);
}

// ---- Events

async function take(file) {
  cancel();
  await load(file.name, new Uint8Array(await file.arrayBuffer()));
}

let begun = false;

function begin() {
  begun = true;
  get("batch-pick").addEventListener("click", () => pickFile(".csv,.tsv,.txt,text/csv,text/plain", take));
  get("batch-other").addEventListener("click", () => pickFile(".csv,.tsv,.txt,text/csv,text/plain", take));
  get("batch-paste").addEventListener("click", () => {
    const text = get("batch-lines").value;
    if (text.trim() !== "") load(t("pasted"), new TextEncoder().encode(text));
  });
  get("batch-forget").addEventListener("click", async () => {
    cancel();
    batch = table = null;
    await forgetBatch();
    draw();
  });
  get("batch-start").addEventListener("click", start);
  get("batch-cancel").addEventListener("click", cancel);
  get("batch-download").addEventListener("click", exportTable);
  get("batch").addEventListener("dragover", (event) => event.preventDefault());
  get("batch").addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

// Shows the page; what was begun before a reload is there again.
export async function openBatch() {
  if (!begun) begin();
  if (batch === null) {
    batch = await loadBatch();
    if (batch && !read()) batch = null;
  }
  draw();
}

// The language or the server's tasks have changed.
export function refreshBatch() {
  if (batch && batch.task === null) batch.task = state.info?.defaults?.task || tasks()[0]?.name || null;
  draw();
}
