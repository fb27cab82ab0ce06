// Before the first paint: the chosen theme and language, so that nothing flashes. A classic script on purpose.
(function () {
  let settings = {};
  try {
    settings = JSON.parse(localStorage.getItem("qwen.settings")) || {};
  } catch {
    // Storage that is blocked or damaged: the defaults.
  }
  const root = document.documentElement;
  if (settings.theme === "light" || settings.theme === "dark") root.dataset.theme = settings.theme;
  const language = settings.language || navigator.language || "en";
  root.lang = language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
})();
