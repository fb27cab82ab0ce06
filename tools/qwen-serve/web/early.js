// Before the first paint: the chosen theme and language, so that nothing flashes. A classic script on purpose.
(function () {
  let settings = {};
  try {
    settings = JSON.parse(localStorage.getItem("qwen.settings")) || {};
  } catch {
    // Storage that is blocked or damaged: the defaults.
  }
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.shown = settings.theme === "light" || settings.theme === "dark" ? settings.theme : dark ? "dark" : "light";
  const language = settings.language || navigator.language || "en";
  root.lang = language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
})();
