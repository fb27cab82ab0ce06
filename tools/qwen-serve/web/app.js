// The page: starts it, shows what the address names, and connects its buttons.
import { openBatch, refreshBatch } from "./batch.js";
import { actions, focusInput, showPath, views } from "./chat_view.js";
import { showComposer, startComposer } from "./composer.js";
import { connect } from "./connection.js";
import {
  makeSidebar, onOtherTab, openConversation, readList, removeMessage, search, showDrawer, showLeaf, showSidebar,
} from "./conversations.js";
import { openPanel } from "./dialogs.js";
import { element } from "./dom.js";
import { pickFile } from "./files.js";
import { apply, currentLanguage, setLanguage, t } from "./i18n.js";
import { toast } from "./notices.js";
import { answerAgain, run, say, send, stop } from "./replies.js";
import { busyHere, cancelRetry, isKnown, retries, running, state } from "./state.js";
import { openStore, saveConversation, saveCut, saveSettings, settings, watchStore } from "./store.js";
import { exportAll, exportConversation, importFile } from "./transfer.js";

const get = (id) => document.getElementById(id);

Object.assign(actions, {
  show: showLeaf,
  edit: editMessage,
  remove: removeMessage,
  regenerate: (message) => !busyHere() && answerAgain(message),
  resume: (message) => !busyHere() && run(state.current, message, { resume: true }),
  retry: (message) => {
    if (!busyHere()) run(state.current, message);
    focusInput();
  },
  giveUp: (message) => {
    cancelRetry(message);
    views.get(message.id)?.draw();
  },
});

// The message becomes a box; sending it makes a branch beside the old one.
function editMessage(message) {
  const view = views.get(message.id);
  const area = element("textarea", { class: "editing", value: message.text, rows: Math.min(12, message.text.split("\n").length + 1) });
  area.setAttribute("aria-label", t("edit"));
  const end = (text) => {
    view.editing = false;
    view.draw();
    if (text !== null && text.trim() !== "" && !busyHere()) say(text.trim(), message.files || [], message.parent);
    focusInput();
  };
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      end(null);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      end(area.value);
    }
  });
  view.editing = true;
  view.node.replaceChildren(area, element("div", { class: "tools" },
    element("button", { type: "button", class: "primary", text: t("send"), onclick: () => end(area.value) }),
    element("button", { type: "button", text: t("cancel"), onclick: () => end(null) })));
  area.focus();
  area.selectionStart = area.value.length;
}

// ---- Language and theme

function showLanguage() {
  apply();
  get("language").textContent = t("otherLanguage");
  get("language").lang = currentLanguage() === "zh" ? "en" : "zh-CN";
  get("examples").replaceChildren(...t(state.info?.builtin ? "demoExamples" : "examples").map((text) =>
    element("button", { type: "button", text, onclick: () => send(text) })));
  const { info } = state;
  get("demo").hidden = !info?.builtin;
  get("model").textContent = info ? (info.builtin ? t("bundledModel") : info.model) : "";
  get("model").title = info ? `${info.name} ${info.version} · ${info.model}` : "";
  for (const view of views.values()) if (!view.editing) view.draw();
  showComposer();
  showSidebar();
  refreshBatch();
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const shownTheme = () => settings.theme || (systemDark.matches ? "dark" : "light");

function showTheme() {
  document.documentElement.dataset.shown = shownTheme();
}

// ---- Events

function route() {
  const batch = location.hash === "#batch";
  document.body.classList.toggle("batch", batch);
  get("chat").hidden = batch;
  get("batch").hidden = !batch;
  for (const [id, on] of [["to-chat", !batch], ["to-batch", batch]]) {
    if (on) get(id).setAttribute("aria-current", "page");
    else get(id).removeAttribute("aria-current");
  }
  showDrawer(false);
  if (batch) return openBatch();
  const id = /^#c=([\w-]+)$/.exec(location.hash)?.[1] || null;
  if (state.current && id === state.current.id) return showPath();
  return openConversation(id);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  if (document.body.classList.contains("drawer")) {
    showDrawer(false);
    get("menu").focus();
  } else if (busyHere()) {
    stop();
  } else {
    for (const message of state.path) if (retries.has(message.id)) actions.giveUp(message);
  }
});
get("stop").addEventListener("click", () => {
  stop();
  focusInput();
});
get("menu").addEventListener("click", () => showDrawer(!document.body.classList.contains("drawer")));
get("shade").addEventListener("click", () => showDrawer(false));
matchMedia("(max-width: 56rem)").addEventListener("change", () => showDrawer(false));
get("new").addEventListener("click", () => {
  if (state.messages.length === 0 && location.hash !== "#batch") showDrawer(false);
  location.hash = "#";
  focusInput();
});
get("search").addEventListener("input", () => search(get("search").value));
get("export").addEventListener("click", () => exportConversation(state.current));
get("export-all").addEventListener("click", exportAll);
get("import").addEventListener("click", () => pickFile(".json,application/json", importFile));
get("settings").addEventListener("click", () => openPanel(state.current.settings, state.info, () => {
  settings.conversation = { ...state.current.settings };
  saveSettings();
  if (isKnown(state.current)) saveConversation(state.current);
}));
get("language").addEventListener("click", () => {
  settings.language = currentLanguage() === "zh" ? "en" : "zh";
  saveSettings();
  setLanguage(settings.language);
  showLanguage();
});
get("theme").addEventListener("click", () => {
  const other = shownTheme() === "dark" ? "light" : "dark";
  settings.theme = other === (systemDark.matches ? "dark" : "light") ? null : other;
  saveSettings();
  showTheme();
});
systemDark.addEventListener("change", showTheme);
addEventListener("hashchange", route);
addEventListener("pagehide", () => {
  if (running.size) saveCut([...running.values()].map(({ message }) => ({ ...message, status: "stopped" })));
});

async function start() {
  showTheme();
  makeSidebar(exportConversation);
  startComposer(send);
  const kept = await openStore();
  await readList();
  watchStore(onOtherTab);
  await route();
  if (!state.current) await openConversation(null);
  showLanguage();
  if (!kept) toast(t("notSaved"));
  connect(showLanguage);
}
start();
