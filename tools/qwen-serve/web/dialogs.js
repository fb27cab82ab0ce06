// The dialogs: what a conversation is answered with, and the API key.
import { hasKey, setKey } from "./api.js";
import { longestReply } from "./conversation.js";
import { closeDialog, element, openDialog } from "./dom.js";
import { t } from "./i18n.js";
import { kConversationDefaults } from "./store.js";

const get = (id) => document.getElementById(id);

// What people read for a task: the server's own name for it, else this page's words for a built-in one.
export function taskName(task) {
  return t("tasks")[task.name] || task.heading || task.description || task.name;
}

function fillTasks(select, tasks, chosen) {
  select.replaceChildren(...tasks.map((task) => element("option", {
    value: task.name, text: taskName(task), title: task.description || "",
  })), element("option", { value: "", text: t("none") }));
  select.value = tasks.some((task) => task.name === chosen) ? chosen : "";
}

const numberOrNull = (input) => (input.value === "" || !input.validity.valid ? null : Number(input.value));
const orElse = (value, other) => (value === null || value === undefined ? other : value);

// Opens the panel for `chosen` (a conversation's settings), which it changes; changed() is called after every change.
export function openPanel(chosen, info, changed) {
  const tasks = info?.tasks || [];  // none if the server has not answered yet
  const defaults = info?.defaults || {};
  const fields = {};
  for (const name of ["task", "reply", "system", "temperature", "length", "seed", "think", "budget"]) fields[name] = get(`set-${name}`);
  const shownTemperature = () => Number(orElse(chosen.temperature, orElse(defaults.temperature, 0.7)));
  const showThinking = () => {
    get("think-row").hidden = !info?.thinking;
    get("budget-row").hidden = !info?.thinking || chosen.think !== "on";
  };
  const show = () => {
    fillTasks(fields.task, tasks.filter(({ kind }) => kind === "classify"), orElse(chosen.task, defaults.task));
    fillTasks(fields.reply, tasks.filter(({ kind }) => kind === "generate"), orElse(chosen.reply, defaults.reply));
    fields.system.value = orElse(chosen.system, "");
    fields.temperature.value = shownTemperature();
    fields.temperature.nextElementSibling.value = shownTemperature().toFixed(1);
    fields.length.max = info?.context || "";
    fields.length.placeholder = orElse(longestReply({ ...chosen, length: null }, info), "");
    fields.length.value = orElse(chosen.length, "");
    fields.seed.value = orElse(chosen.seed, "");
    fields.think.value = chosen.think === "on" ? "on" : "";
    fields.budget.value = orElse(chosen.budget, "");
    fields.budget.max = info?.context || "";
    showThinking();
  };
  const store = (event) => {
    const { task, reply } = fields;
    if (event.target === task || event.target === reply) {
      // One of the two has to be asked for.
      if (!task.value && !reply.value && tasks.length) {
        const other = event.target === task ? reply : task;
        other.value = other.options[0].value;
      }
      chosen.task = task.value;
      chosen.reply = reply.value;
    }
    chosen.system = fields.system.value.trim() === "" ? null : fields.system.value;
    if (event.target === fields.temperature) chosen.temperature = Number(fields.temperature.value);
    chosen.length = numberOrNull(fields.length);
    chosen.seed = numberOrNull(fields.seed);
    chosen.think = fields.think.value || null;
    chosen.budget = numberOrNull(fields.budget);
    fields.length.placeholder = orElse(longestReply({ ...chosen, length: null }, info), "");
    showThinking();
    fields.temperature.nextElementSibling.value = shownTemperature().toFixed(1);
    changed();
  };
  get("about").textContent = info ? t("about", info) : "";
  const dialog = get("panel");
  dialog.oninput = store;
  get("set-defaults").onclick = () => {
    Object.assign(chosen, kConversationDefaults);
    show();
    changed();
  };
  show();
  return openDialog(dialog);
}

// Asks for the API key; resolves to whether one was given.
export async function askKey() {
  const dialog = get("key-dialog");
  const input = get("key");
  get("key-wrong").hidden = !hasKey();
  input.value = "";
  get("key-cancel").onclick = () => closeDialog(dialog);
  const closed = openDialog(dialog);
  input.focus();
  const given = (await closed) === "ok" && input.value.trim() !== "";
  if (given) setKey(input.value.trim());
  return given;
}
