// The page's words: t("name", {x}) fills {x}, and {x|one|many} by whether x is 1; apply() fills the static page.
import en from "./words.en.js";
import zh from "./words.zh.js";

const words = { en, zh };

let language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";

export const currentLanguage = () => language;

export function setLanguage(name) {
  language = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
}

export function t(name, values = {}) {
  const text = words[language][name];
  if (typeof text !== "string") return text;
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (whole, key, one, many) => {
    if (one !== undefined) return Number(values[key]) === 1 ? one : many;
    return key in values ? values[key] : whole;
  });
}

// What a label is called: the server's own words, and in English what the built-in ones mean.
export const labelName = (display) => t("labels")[display] || display;

export function apply(root = document) {
  for (const element of root.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const element of root.querySelectorAll("[data-i18n-placeholder]")) element.placeholder = t(element.dataset.i18nPlaceholder);
  for (const element of root.querySelectorAll("[data-i18n-label]")) element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  for (const element of root.querySelectorAll("[data-i18n-title]")) {
    element.title = t(element.dataset.i18nTitle);
    element.setAttribute("aria-label", element.title);
  }
}

export const percent = (share) =>
  new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);

export function duration(ms) {
  if (!(ms >= 0)) return "–";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
}
