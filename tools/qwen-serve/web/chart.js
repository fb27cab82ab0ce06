// Charts as SVG: how often each label occurs, and how that changes over time. Each has a sentence that says the same.
import { element } from "./dom.js";
import { percent, t } from "./i18n.js";
import { mark } from "./label_view.js";

const kSvg = "http://www.w3.org/2000/svg";

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

function title(text) {
  const node = svg("title");
  node.textContent = text;
  return node;
}

// counts: [{name, kind, count}]
export function labelChart(counts) {
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const rows = counts.filter(({ count }) => count > 0).map(({ name, kind, count }) => {
    const bar = element("i", { class: `fill ${kind}` });
    bar.style.setProperty("--share", `${(100 * count / total).toFixed(2)}%`);
    return element("tr", {}, element("th", { scope: "row" }, mark(kind), ` ${name}`),
      element("td", { class: "bar-cell" }, element("span", { class: "bar", "aria-hidden": "true" }, bar)),
      element("td", { class: "number", text: String(count) }), element("td", { class: "number", text: percent(count / total) }));
  });
  return element("table", { class: "label-chart" }, element("caption", { text: t("chartLabels", { n: total }) }), element("tbody", {}, ...rows));
}

const kMonths = 3 * 31;  // days beyond which months are shown instead of days

// points: [{day "2024-03-09", kind}] -> stacked columns by day or month; null if there are fewer than two of them.
export function timeChart(points, kinds) {
  const days = new Set(points.map(({ day }) => day));
  const sorted = [...days].sort();
  const span = (Date.parse(sorted[sorted.length - 1]) - Date.parse(sorted[0])) / 86400000;
  const bucketOf = span > kMonths ? (day) => day.slice(0, 7) : (day) => day;
  const buckets = new Map();
  for (const { day, kind } of points) {
    const bucket = bucketOf(day);
    if (!buckets.has(bucket)) buckets.set(bucket, new Map());
    buckets.get(bucket).set(kind, (buckets.get(bucket).get(kind) || 0) + 1);
  }
  const names = [...buckets.keys()].sort();
  if (names.length < 2) return null;
  const [width, height, left, bottom] = [720, 200, 36, 24];
  const sum = (bucket) => [...buckets.get(bucket).values()].reduce((a, b) => a + b, 0);
  const most = Math.max(...names.map(sum));
  const step = (width - left) / names.length;
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "time-chart", preserveAspectRatio: "none" });
  plot.append(title(t("chartTime", { from: names[0], to: names[names.length - 1] })));
  for (const share of [0, 0.5, 1]) {
    const y = 8 + (1 - share) * (height - bottom - 8);
    plot.append(svg("line", { x1: left, x2: width, y1: y, y2: y, class: "grid" }));
    const number = svg("text", { x: left - 6, y: y + 4, "text-anchor": "end" });
    number.textContent = String(Math.round(share * most));
    plot.append(number);
  }
  const every = Math.ceil(names.length / 8);
  names.forEach((name, at) => {
    let y = height - bottom;
    const said = [];
    const column = svg("g");
    for (const kind of kinds) {
      const count = buckets.get(name).get(kind) || 0;
      if (count === 0) continue;
      const tall = count / most * (height - bottom - 8);
      y -= tall;
      column.append(svg("rect", { x: left + at * step + step * 0.1, y, width: step * 0.8, height: tall, class: `fill ${kind}` }));
      said.push(`${t(`kind_${kind}`)} ${count}`);
    }
    column.append(title(`${name}: ${said.join(", ")}`));
    plot.append(column);
    if (at % every === 0) {
      const label = svg("text", { x: left + (at + 0.5) * step, y: height - 6, "text-anchor": "middle" });
      label.textContent = name;
      plot.append(label);
    }
  });
  return element("figure", {}, plot,
    element("figcaption", {}, ...kinds.map((kind) => element("span", { class: "key" }, mark(kind), ` ${t(`kind_${kind}`)}`))));
}

// matrix: {right: {found: count}}; names: labels in order, as shown.
export function confusionTable(names, matrix, shown) {
  const head = element("tr", {}, element("td"), ...names.map((name) => element("th", { scope: "col", text: shown(name) })));
  const rows = names.map((right) => element("tr", {}, element("th", { scope: "row", text: shown(right) }),
    ...names.map((found) => element("td", { class: right === found ? "number right" : "number", text: String(matrix[right]?.[found] || 0) }))));
  return element("table", { class: "confusion" }, element("caption", { text: t("confusion") }), element("thead", {}, head), element("tbody", {}, ...rows));
}
