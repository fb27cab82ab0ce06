// The dialogs: settings, export, API key.
import { hasKey, setKey } from "./api.js";
import { element } from "./dom.js";
import { t } from "./i18n.js";
import { kDefaults, saveSettings, settings } from "./store.js";

const get = (id) => document.getElementById(id);

function fillTasks(select, tasks, chosen) {
  select.replaceChildren(...tasks.map((task) => element("option", {
    value: task.name, text: task.name, title: task.description ?? "",
  })), element("option", { value: "", text: t("none") }));
  select.value = tasks.some((task) => task.name === chosen) ? chosen : "";
}

const numberOrNull = (input) => (input.value === "" || !input.validity.valid ? null : Number(input.value));

// Opens the settings; `info` is what the server told about itself, or null; changed() is called after every change.
export function openSettings(info, changed) {
  const tasks = info?.tasks ?? [];  // none where the server has not answered yet
  const task = get("set-task");
  const reply = get("set-reply");
  const temperature = get("set-temperature");
  const shown = () => settings.temperature ?? info?.defaults?.temperature ?? 0.7;
  const show = () => {
    fillTasks(task, tasks.filter(({ kind }) => kind === "classify"), settings.task ?? info?.defaults?.task);
    fillTasks(reply, tasks.filter(({ kind }) => kind !== "classify"), settings.reply ?? info?.defaults?.reply);
    get("set-history").checked = settings.history;
    temperature.value = shown();
    temperature.nextElementSibling.value = Number(shown()).toFixed(1);
    get("set-length").max = info?.context ?? "";
    get("set-length").placeholder = info?.defaults?.max_tokens ?? "";
    get("set-length").value = settings.length ?? "";
    get("set-seed").value = settings.seed ?? "";
  };
  const store = (event) => {
    // One of the two has to be asked for.
    if (!task.value && !reply.value && tasks.length) {
      const other = event.target === task ? reply : task;
      other.value = other.options[0].value;
    }
    if (event.target === task || event.target === reply) {
      settings.task = task.value;
      settings.reply = reply.value;
    }
    settings.history = get("set-history").checked;
    if (event.target === temperature) settings.temperature = Number(temperature.value);
    settings.length = numberOrNull(get("set-length"));
    settings.seed = numberOrNull(get("set-seed"));
    temperature.nextElementSibling.value = Number(shown()).toFixed(1);
    saveSettings();
    changed();
  };
  get("about").textContent = info ? t("about", info) : "";
  const dialog = get("settings-dialog");
  dialog.oninput = store;
  get("set-defaults").onclick = () => {
    const { theme, language } = settings;
    Object.assign(settings, kDefaults, { theme, language });
    saveSettings();
    show();
    changed();
  };
  show();
  dialog.showModal();
}

// Asks for the API key; resolves to whether one was given.
export function askKey() {
  const dialog = get("key-dialog");
  const input = get("key");
  get("key-wrong").hidden = !hasKey();
  input.value = "";
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.onclose = () => {
      const given = dialog.returnValue === "ok" && input.value.trim() !== "";
      if (given) setKey(input.value.trim());
      resolve(given);
    };
    get("key-cancel").onclick = () => dialog.close("");
    if (!dialog.open) dialog.showModal();
    input.focus();
  });
}

export function openExport(save) {
  const dialog = get("export-dialog");
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "markdown" || dialog.returnValue === "json") save(dialog.returnValue);
  };
  dialog.showModal();
}

// A click beside a dialog closes it.
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog) return;
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top &&
                   event.clientY <= box.bottom;
    if (!inside) dialog.close("");
  });
}
