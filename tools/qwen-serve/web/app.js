// The page: one conversation with the server, and everything around it.
import { ApiError, analyze, deleteSession, getInfo, getSession, serverState } from "./api.js";
import { askKey, openExport, openSettings } from "./dialogs.js";
import { element } from "./dom.js";
import { download, toJson, toMarkdown } from "./export.js";
import { apply, currentLanguage, labelName, percent, setLanguage, t } from "./i18n.js";
import { loadChat, loadDraft, saveChat, saveDraft, saveSettings, settings } from "./store.js";
import { TurnView } from "./turn_view.js";

const kTriesWhenBusy = 5;  // by itself; then the button
const kUndoMs = 8000;
const kAskAgainMs = 1500;  // for a server that does not answer

const get = (id) => document.getElementById(id);
const input = get("input");
const scroller = get("scroller");

const chat = loadChat();  // {session, turns}
let views = [];
let info = null;
let running = null;       // {controller, turn, view} of the request under way
let retry = null;         // {timer, view} of one that waits for its next try
let forgotten = false;    // the server no longer knows the conversation shown
let reconnecting = false;

// ---- What is shown

// Not where focus would bring up a keyboard over half of the screen.
function focusInput() {
  if (matchMedia("(hover: hover)").matches) input.focus();
}

function announce(text) {
  get("announcer").textContent = text;
}

function heading(name) {
  const task = info?.tasks?.find((one) => one.name === name);
  if (name?.startsWith("sentiment")) return t("sentiment");
  return task?.heading ?? name ?? "";
}

const actions = { announce, heading, retry: tryAgain, regenerate, giveUp };

function addView(turn) {
  const view = new TurnView(turn, actions);
  views.push(view);
  get("turns").append(view.node);
  markLast();
  return view;
}

function markLast() {
  for (const [index, view] of views.entries()) {
    const last = index === views.length - 1;
    if (view.last !== last) {
      view.last = last;
      view.draw();
    }
  }
  get("welcome").hidden = views.length > 0;
  get("export").disabled = views.length === 0;
  get("new").disabled = views.length === 0;
}

function showAll() {
  views = [];
  get("turns").replaceChildren();
  for (const turn of chat.turns) addView(turn);
  showForgotten();
  markLast();
  scrollToEnd();
}

function showForgotten() {
  get("turns").querySelector(".forgotten")?.remove();
  if (forgotten && chat.turns.length) {
    get("turns").append(element("div", { class: "divider forgotten", role: "status", text: t("expiredNow") }));
  }
}

const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;

function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

function showMode() {
  get("mode").textContent = settings.history ? "" : t("historyOff");
  get("send").disabled = input.value.trim() === "";
  get("send").hidden = running !== null;
  get("stop").hidden = running === null;
}

function growInput() {
  input.style.setProperty("height", "auto");
  input.style.setProperty("height", `${input.scrollHeight}px`);
}

function showLanguage() {
  apply();
  get("language").textContent = t("otherLanguage");
  get("language").lang = currentLanguage() === "zh" ? "en" : "zh-CN";
  get("examples").replaceChildren(...t("examples").map((text) =>
    element("button", { type: "button", text, onclick: () => send(text) })));
  for (const view of views) view.draw();
  showForgotten();
  showMode();
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const shownTheme = () => settings.theme ?? (systemDark.matches ? "dark" : "light");

function showTheme() {
  const root = document.documentElement;
  if (settings.theme) root.dataset.theme = settings.theme;
  else delete root.dataset.theme;
  root.dataset.shown = shownTheme();
}

let toastTimer = null;

function toast(text, action, onclick, onend) {
  clearTimeout(toastTimer);
  const box = get("toast");
  const end = (done) => {
    clearTimeout(toastTimer);
    box.hidden = true;
    done?.();
  };
  box.replaceChildren(element("span", { text }),
    element("button", { type: "button", text: action, onclick: () => end(onclick) }));
  box.hidden = false;
  toastTimer = setTimeout(() => end(onend), kUndoMs);
}

// ---- Requests

// Runs call(); where the server wants a key, asks for it and runs it again.
async function withKey(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.kind !== "auth" || !(await askKey())) throw error;
    }
  }
}

// A task's name, null for none, undefined for the server's choice where that is not known.
function chosen(kind) {
  const name = settings[kind] ?? info?.defaults?.[kind];
  return name === "" ? null : name;
}

function requestBody(turn, again) {
  const body = { text: turn.user, task: chosen("task"), reply: chosen("reply") };
  if (!settings.history) body.history = false;  // else as the task has it
  if (chat.session) body.session = chat.session;
  // A turn that was not kept by the server cannot be replaced there.
  if (again && chat.session && settings.history) body.regenerate = true;
  if (settings.temperature !== null) body.temperature = settings.temperature;
  if (settings.length !== null) body.max_tokens = settings.length;
  if (settings.seed !== null) body.seed = settings.seed;
  return body;
}

function handlers(turn, view, again) {
  let saved = performance.now();
  const follow = () => {
    const stick = atEnd();
    return () => stick && scrollToEnd();
  };
  return {
    session: (id) => {
      if (id) chat.session = id;
    },
    queued: ({ position }) => {
      view.status = position > 0 ? t("queued", { n: position }) : t("queuedNext");
      view.drawBody();
    },
    sentiment: (label) => {
      const scroll = follow();
      turn.label = label;
      view.status = null;
      view.freshLabel = !again;
      view.draw();
      scroll();
      const name = label.abstained ? t("unsure") : labelName(label.display ?? label.label);
      announce(t("announceLabel", { heading: heading(label.task), label: name, share: percent(label.probability) }));
    },
    delta: ({ text }) => {
      turn.reply += text;
      view.scheduleBody(follow);
      if (performance.now() - saved > 1000) {
        saved = performance.now();
        saveChat(chat);
      }
    },
  };
}

async function run(turn, view, again, tries = 0) {
  cancelRetry();
  if (forgotten) {
    forgotten = false;
    showForgotten();
    turn.divider = chat.turns.length > 1;
  }
  const controller = new AbortController();
  running = { controller, turn, view };
  const { reply: partial } = turn;
  Object.assign(turn, { status: "streaming", reply: "", done: null, error: null, history: settings.history,
    labelOnly: chosen("reply") === null, limit: settings.length ?? info?.defaults?.max_tokens ?? null });
  view.status = null;
  view.draw();
  showMode();
  let wait = null;
  try {
    turn.done = await withKey(() => analyze(requestBody(turn, again), handlers(turn, view, again), controller.signal));
    turn.status = "done";
    if (turn.done.session && turn.history) chat.session = turn.done.session;
    if (turn.reply) announce(t("announceReply", { text: turn.reply }));
  } catch (error) {
    if (error.name === "AbortError") {
      turn.status = "stopped";
      announce(t("stopped"));
    } else if (error.kind === "expired" && chat.session) {
      chat.session = null;
      forgotten = true;
      running = null;
      return run(turn, view, false, tries);
    } else {
      const known = error instanceof ApiError;
      turn.status = "error";
      turn.error = { kind: known ? error.kind : "failed", message: error.message };
      turn.reply ||= partial;  // a try that failed at once takes nothing away
      if (error.kind === "busy" && tries < kTriesWhenBusy) wait = Math.max(1, Math.ceil(error.retryAfter ?? 2));
      if (error.kind === "offline" || error.kind === "broken") reconnect();
      announce(t(turn.error.kind, { why: turn.error.message }));
    }
  }
  running = null;
  if (wait !== null) countDown(turn, view, again, wait, tries + 1);
  const stick = atEnd();
  view.draw();
  if (stick) scrollToEnd();
  saveChat(chat);
  showMode();
}

function countDown(turn, view, again, seconds, tries) {
  view.retryIn = seconds;
  const timer = setInterval(() => {
    if (view.retryIn > 1) view.tick();
    else run(turn, view, again, tries);
  }, 1000);
  retry = { timer, view };
}

function cancelRetry() {
  if (!retry) return;
  clearInterval(retry.timer);
  retry.view.retryIn = null;
  retry = null;
}

function giveUp(view) {
  cancelRetry();
  view.draw();
}

function send(text) {
  if (running || text.trim() === "") return;
  const waiting = retry?.view;
  cancelRetry();
  waiting?.draw();
  const turn = { user: text.trim(), reply: "", label: null, status: "streaming" };
  chat.turns.push(turn);
  const view = addView(turn);
  saveChat(chat);
  scrollToEnd();
  return run(turn, view, false);
}

// A connection that broke may have left the turn at the server: it is replaced there, where it is.
function tryAgain(turn, view) {
  if (!running) run(turn, view, turn.error.kind === "broken");
  focusInput();
}

function regenerate(turn, view) {
  if (!running) run(turn, view, turn.history !== false);
  focusInput();
}

function stop() {
  running?.controller.abort();
}

// ---- The server comes and goes

async function loadInfo() {
  info = await withKey(getInfo);
  get("model").textContent = info.model;
  get("model").title = `${info.name} ${info.version}`;
  document.title = info.name;
  for (const view of views) if (view.turn.label) view.draw();
}

// The server's own copy of the conversation, merged into the one shown: nothing that is shown goes away.
async function restoreSession() {
  if (!chat.session) return;
  let session;
  try {
    session = await withKey(() => getSession(chat.session));
  } catch (error) {
    if (error.kind !== "expired") throw error;
    chat.session = null;
    forgotten = chat.turns.length > 0;
    saveChat(chat);
    showForgotten();
    return;
  }
  if (running) return;
  let begin = chat.turns.length;
  while (begin > 0 && !chat.turns[--begin].divider);
  const rest = [...session.turns];
  for (const turn of chat.turns.slice(begin)) {
    if (turn.history === false) continue;
    // Of a reply that was cut off the two may have seen different parts.
    const at = rest.findIndex(({ user, assistant }) =>
      user === turn.user && (turn.status !== "done" || assistant === turn.reply));
    if (at < 0) continue;
    turn.reply = rest.splice(at, 1)[0].assistant ?? turn.reply;
  }
  for (const { user, assistant, sentiment } of rest) {
    chat.turns.push({ user, reply: assistant ?? "", label: sentiment ?? null, status: "done", history: true });
  }
  saveChat(chat);
  showAll();
}

async function begin() {
  try {
    await loadInfo();
    await restoreSession();
  } catch (error) {
    if (error.kind === "offline" || error.status === 503) reconnect();
    else if (error.kind !== "auth") throw error;
  }
}

async function reconnect() {
  if (reconnecting) return;
  reconnecting = true;
  let state = await serverState();
  if (state === "ready") {
    reconnecting = false;
    if (!info) setTimeout(begin, kAskAgainMs);
    return;
  }
  const banner = get("banner");
  banner.hidden = false;
  for (; state !== "ready"; state = await serverState()) {
    banner.dataset.i18n = state === "gone" ? "offlineBanner" : "starting";
    banner.textContent = t(banner.dataset.i18n);
    await new Promise((resolve) => setTimeout(resolve, kAskAgainMs));
  }
  banner.hidden = true;
  reconnecting = false;
  announce(t("onlineAgain"));
  if (!running) await begin();
}

// ---- Events

function newChat() {
  stop();
  cancelRetry();
  const old = { session: chat.session, turns: chat.turns, forgotten };
  Object.assign(chat, { session: null, turns: [] });
  forgotten = false;
  saveChat(chat);
  showAll();
  focusInput();
  toast(t("cleared"), t("undo"), () => {
    stop();
    Object.assign(chat, { session: old.session, turns: [...old.turns, ...chat.turns] });
    forgotten = old.forgotten;
    saveChat(chat);
    showAll();
  }, () => {
    if (old.session && old.session !== chat.session) deleteSession(old.session).catch(() => {});
  });
}

function exportChat(format) {
  const name = `conversation-${new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-")}`;
  if (format === "json") download(`${name}.json`, "application/json", toJson(chat.turns, info));
  else download(`${name}.md`, "text/markdown", toMarkdown(chat.turns, heading));
}

function submit() {
  if (running || input.value.trim() === "") return;
  const text = input.value;
  input.value = "";
  saveDraft("");
  growInput();
  send(text);
}

get("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
input.addEventListener("input", () => {
  saveDraft(input.value);
  growInput();
  showMode();
});
input.addEventListener("keydown", (event) => {
  // While an input method composes, Enter chooses its word. Safari says so by 229 only.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  if (running) stop();
  else if (retry) giveUp(retry.view);
});
get("stop").addEventListener("click", () => {
  stop();
  focusInput();
});
get("new").addEventListener("click", newChat);
get("export").addEventListener("click", () => openExport(exportChat));
get("settings").addEventListener("click", () => openSettings(info, showMode));
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
scroller.addEventListener("scroll", () => {
  get("down").hidden = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 240;
});
get("down").addEventListener("click", scrollToEnd);
addEventListener("pagehide", () => saveChat(chat));

input.value = loadDraft();
showTheme();
showAll();
showLanguage();
growInput();
focusInput();
begin();
