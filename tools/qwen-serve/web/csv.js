// Tables as text: RFC 4180 with any delimiter, read without losing a row, written so that Excel opens them.

// [{cells, line, broken?}] of a text; line counts from 1. A quote that is never closed, or text behind a closing quote,
// marks the row as broken; its cells are what could be read.
export function parseTable(text, delimiter) {
  const rows = [];
  let line = 1;
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  while (at < text.length) {
    const row = { cells: [], line };
    for (;;) {
      let cell = "";
      if (text[at] === '"') {
        let end = ++at;
        for (;;) {
          end = text.indexOf('"', at);
          if (end < 0) {
            row.broken = "quote";
            end = text.length;
          }
          cell += text.slice(at, end);
          at = end + 1;
          if (text[at] !== '"' || end === text.length) break;
          cell += '"';
          at += 1;
        }
        const rest = cellEnd(text, at, delimiter);
        if (rest > at) {
          row.broken = row.broken || "afterQuote";
          cell += text.slice(at, rest);
        }
        at = rest;
      } else {
        const end = cellEnd(text, at, delimiter);
        cell = text.slice(at, end);
        at = end;
      }
      line += (cell.match(/\r\n|\n|\r/g) || []).length;
      row.cells.push(cell);
      if (text[at] !== delimiter || at >= text.length) break;
      at += 1;
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    line += 1;
    if (row.cells.length > 1 || row.cells[0] !== "") rows.push(row);
  }
  return rows;
}

function cellEnd(text, at, delimiter) {
  while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at += 1;
  return at;
}

const kDelimiters = [",", "\t", ";", "|"];

// The delimiter that cuts most of the first rows into the same number of cells, at least two; null: each line is a text.
export function findDelimiter(text) {
  const sample = text.slice(0, 60000);
  let best = { delimiter: null, score: 0 };
  for (const delimiter of kDelimiters) {
    const all = parseTable(sample, delimiter);
    if (sample.length < text.length) all.pop();  // cut off
    const rows = all.slice(0, 50);
    if (rows.length < 2 || rows[0].broken) continue;
    const width = rows[0].cells.length;
    const same = rows.filter((row) => !row.broken && row.cells.length === width).length / rows.length;
    if (width < 2 || same < 0.7) continue;
    const score = same * Math.min(width, 8);
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

const looksLikeData = (cell) => /^-?[\d.,:/ -]+%?$/.test(cell.trim()) || cell.length > 40 || cell === "";

// {header: [name], rows, delimiter}: rows as parseTable gives them, without the header. `hasHeader` null finds out.
export function readTable(text, { delimiter, hasHeader = null } = {}) {
  const chosen = delimiter === undefined ? findDelimiter(text) : delimiter;
  const rows = parseTable(text, chosen === null ? "\0" : chosen);
  if (chosen === null) for (const row of rows) delete row.broken;
  const width = Math.max(1, ...rows.slice(0, 1000).map((row) => row.cells.length));
  const first = rows[0]?.cells || [];
  const header = hasHeader === null ? chosen !== null && rows.length > 1 && !first.some(looksLikeData) : hasHeader;
  if (header) rows.shift();
  for (const row of rows) if (!row.broken && row.cells.length !== width) row.broken = "width";
  const names = Array.from({ length: width }, (_, i) => (header && first[i]?.trim()) || "");
  return { header: names, hasHeader: header, rows, delimiter: chosen };
}

const kTextNames = /^(text|texts|review|reviews|comment|comments|content|message|sentence|body|评论|评价|内容|文本|正文|留言|句子)$/i;
const kNumberOrDate = /^[-+]?[\d.,:/年月日 -]*%?$/;

// The column that is named so, else the one with the longest texts. Numbers, dates and labels count only if there is
// nothing else.
export function findTextColumn(table) {
  const { header, rows } = table;
  const named = header.findIndex((name) => kTextNames.test(name));
  if (named >= 0) return named;
  const sample = rows.slice(0, 200).map((row) => row.cells);
  const label = findLabelColumn(table);
  const score = (column) => {
    const cells = sample.map((row) => (row[column] || "").trim());
    const length = cells.reduce((sum, cell) => sum + cell.length, 0);
    const data = cells.filter((cell) => kNumberOrDate.test(cell)).length > cells.length / 2;
    return data || column === label ? length - 1e9 : length;
  };
  const scores = header.map((_, column) => score(column));
  return scores.indexOf(Math.max(...scores));
}

const kLabelNames = /^(label|labels|sentiment|polarity|class|category|标签|情感|类别|极性|分类|真实标签)$/i;

// The column that holds the right labels already, or -1.
export function findLabelColumn({ header }) {
  return header.findIndex((name) => kLabelNames.test(name));
}

const kDate = /^\d{4}[-/.年]\d{1,2}(?:[-/.月]\d{1,2}日?)?(?:[ T].*)?$/;

// The first column in which nearly every cell is a date, or -1.
export function findDateColumn({ header, rows }) {
  const sample = rows.slice(0, 200);
  return header.findIndex((_, column) =>
    sample.length > 0 && sample.filter((row) => kDate.test((row.cells[column] || "").trim())).length >= 0.9 * sample.length);
}

// "2024-3-9 10:00" -> "2024-03-09"; null for a cell that is not a date.
export function dayOf(cell) {
  const found = /^(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2}))?/.exec(cell.trim());
  if (!found) return null;
  return `${found[1]}-${found[2].padStart(2, "0")}-${(found[3] || "1").padStart(2, "0")}`;
}

function formatCell(cell, delimiter) {
  const text = String(cell);
  return text.includes(delimiter) || /["\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function formatTable(rows, delimiter = ",") {
  return rows.map((cells) => cells.map((cell) => formatCell(cell, delimiter)).join(delimiter)).join("\r\n").concat("\r\n");
}
