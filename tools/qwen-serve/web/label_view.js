// A label on the page: its name, its share, and a shape beside the color, so that neither is needed to read it.
import { element } from "./dom.js";
import { duration, labelName, percent, t } from "./i18n.js";

const kPositive = new Set(["正面", "positive", "好评", "表扬", "积极"]);
const kNegative = new Set(["负面", "negative", "差评", "投诉", "消极"]);

// "positive", "negative", "unsure" or "plain" (a label without a polarity).
export function polarity(label) {
  if (label.abstained) return "unsure";
  const name = String(label.label).toLowerCase();
  if (kPositive.has(name)) return "positive";
  return kNegative.has(name) ? "negative" : "plain";
}

const kShapes = { positive: "▲", negative: "▼", unsure: "◆", plain: "●" };

export function mark(kind) {
  return element("span", { class: `mark ${kind}`, text: kShapes[kind], "aria-hidden": "true" });
}

export const shownName = (label) => (label.abstained ? t("unsure") : labelName(label.display || label.label));
export const shownEmoji = (label) => (label.abstained ? "🤔" : label.emoji || "🏷️");

function meter(share, wide) {
  const bar = element("i");
  bar.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
  return element("span", { class: wide ? "meter wide" : "meter", "aria-hidden": "true" }, bar);
}

// `state` remembers whether the table is open: {open}.
export function labelView(label, heading, state) {
  const rows = Object.entries(label.probabilities || {}).sort((a, b) => b[1] - a[1]);
  const notes = [];
  if (label.ms >= 0) notes.push(t("labelTime", { ms: duration(label.ms) }));
  if (label.abstained) notes.push(t("unsureWhy", { best: labelName(label.display || label.label) }));
  const details = element("details", { class: `label ${polarity(label)}`, open: state.open },
    element("summary", {},
      element("span", { class: "emoji", text: shownEmoji(label), "aria-hidden": "true" }),
      element("span", { class: "heading", text: heading + t("colon") }),
      mark(polarity(label)),
      element("span", { class: "name", text: shownName(label) }),
      meter(label.probability, false),
      element("span", { class: "share", text: percent(label.probability) })),
    element("table", { "aria-label": t("allShares") },
      element("tbody", {}, ...rows.map(([name, share]) =>
        element("tr", {}, element("th", { scope: "row", text: labelName(name) }),
          element("td", {}, meter(share, true)), element("td", { text: percent(share) }))))),
    ...notes.map((text) => element("p", { text })));
  details.addEventListener("toggle", () => { state.open = details.open; });
  return details;
}

// The labels of a conversation in order, one mark each; null if there are fewer than two.
export function trendView(labels) {
  if (labels.length < 2) return null;
  const count = (kind) => labels.filter((label) => polarity(label) === kind).length;
  const text = t("trend", { positive: count("positive"), negative: count("negative"), unsure: count("unsure") });
  return element("span", { role: "img", "aria-label": text, title: text }, ...labels.slice(-24).map((label) => mark(polarity(label))));
}
