// The page: which conversation is shown, what is sent, and the server that comes and goes.
import { ApiError, analyze, countTokens, getInfo, serverState } from "./api.js";
import { openBatch, refreshBatch } from "./batch.js";
import {
  ancestors, branches, exportJson, historyOf, importJson, newConversation, newMessage, newestLeaf, pathTo, subtree, titleOf,
} from "./conversation.js";
import { askKey, openPanel, taskName } from "./dialogs.js";
import { element, iconButton, openDialog } from "./dom.js";
import { download, fileName, pickFile, readTextFile, toMarkdown } from "./files.js";
import { apply, currentLanguage, percent, setLanguage, t } from "./i18n.js";
import { shownName, trendView } from "./label_view.js";
import { AnswerView, UserView } from "./message_view.js";
import { Sidebar } from "./sidebar.js";
import {
  deleteConversations, deleteMessages, loadAllMessages, loadConversations, loadDraft, loadMessages, openStore, saveConversation,
  saveCut, saveDraft, saveMessages, saveSettings, saveWhole, settings, watchStore,
} from "./store.js";

const kTriesWhenBusy = 5;  // by itself; then the button
const kUndoMs = 8000;
const kAskAgainMs = 1500;  // for a server that does not answer
const kSaveMs = 1000;      // an answer under way is saved this often
const kStaleMs = 5000;     // an answer that no tab has saved for so long is not being written

const get = (id) => document.getElementById(id);
const input = get("input");
const scroller = get("scroller");

let info = null;
let conversations = [];                  // all records
let firstTexts = new Map();              // conversation id -> its first message, for titles
let current = null;                      // the record shown
let messages = [];                       // of the conversation shown
let path = [];                           // of these, the branch shown
const views = new Map();                 // message id -> view
const running = new Map();               // conversation id -> {controller, message, question}
const retries = new Map();               // message id -> {timer}
let files = [];                          // attached to the next message: {name, text, tokens}
let recalled = -1;                       // how far back ArrowUp has gone
let reconnecting = false;

// ---- What is shown

// Not if focus would bring up a keyboard over half of the screen.
function focusInput() {
  if (matchMedia("(hover: hover)").matches) input.focus();
}

function announce(text) {
  get("announcer").textContent = text;
}

function heading(name) {
  const task = info?.tasks?.find((one) => one.name === name);
  return task ? taskName(task) : name || "";
}

const actions = {
  announce,
  heading,
  branches: (message) => branches(messages, message),
  isLast: (message) => path[path.length - 1]?.id === message.id,
  show: (leaf) => showLeaf(leaf),
  edit: editMessage,
  remove: removeMessage,
  regenerate: (message) => !busyHere() && answerAgain(message),
  resume: (message) => !busyHere() && run(current, message, { resume: true }),
  retry: (message) => {
    if (!busyHere()) run(current, message);
    focusInput();
  },
  giveUp: (message) => {
    cancelRetry(message);
    views.get(message.id)?.draw();
  },
};

const sidebar = new Sidebar({
  open: (id) => { location.hash = `#c=${id}`; },
  rename: async (conversation, title) => {
    conversation.title = title;
    await saveConversation(conversation);
    showSidebar();
  },
  remove: removeConversation,
  exportOne: (conversation) => exportConversation(conversation),
});

function showSidebar() {
  sidebar.show(conversations, firstTexts, current?.id);
  get("title").textContent = current ? titleOf(current, firstTexts.get(current.id)) : "";
  document.title = [get("title").textContent, info?.name || "qwen-serve"].filter(Boolean).join(" · ");
}

const busyHere = () => running.has(current.id);
const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;

function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

// Shows the branch that ends in current.leaf. Views of messages that stay are kept: what is open stays open.
function showPath() {
  path = pathTo(messages, current.leaf);
  const kept = new Set(path.map((message) => message.id));
  for (const id of [...views.keys()]) if (!kept.has(id)) views.delete(id);
  for (const message of path) {
    let view = views.get(message.id);
    if (!view) {
      view = message.role === "user" ? new UserView(message, actions) : new AnswerView(message, actions);
      views.set(message.id, view);
    } else {
      view.message = message;
      view.draw();
    }
  }
  get("messages").replaceChildren(...path.map((message) => views.get(message.id).node));
  get("welcome").hidden = path.length > 0;
  get("export").disabled = path.length === 0;
  const trend = trendView(path.filter((message) => message.label).map((message) => message.label));
  get("trend").replaceChildren(...(trend ? [trend] : []));
  showComposer();
}

function showComposer() {
  const busy = current !== null && busyHere();
  get("send").disabled = (input.value.trim() === "" && files.length === 0) || files.some((file) => file.tooLong);
  get("send").hidden = busy;
  get("stop").hidden = !busy;
  get("files").replaceChildren(...files.map((file, at) => element("span", { class: file.tooLong ? "chip bad" : "chip" },
    element("span", { text: file.tooLong ? t("fileTooLong", file) : file.tokens ? t("fileTokens", file) : file.name }),
    iconButton("close", t("removeFile", file), () => {
      files.splice(at, 1);
      showComposer();
      focusInput();
    }))));
  get("files").hidden = files.length === 0;
}

function growInput() {
  input.style.setProperty("height", "auto");
  input.style.setProperty("height", `${input.scrollHeight}px`);
}

function showLanguage() {
  apply();
  get("language").textContent = t("otherLanguage");
  get("language").lang = currentLanguage() === "zh" ? "en" : "zh-CN";
  get("examples").replaceChildren(...t(info?.builtin ? "demoExamples" : "examples").map((text) =>
    element("button", { type: "button", text, onclick: () => send(text) })));
  get("demo").hidden = !info?.builtin;
  for (const view of views.values()) view.draw();
  if (current) showComposer();
  showSidebar();
  refreshBatch();
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const shownTheme = () => settings.theme || (systemDark.matches ? "dark" : "light");

function showTheme() {
  document.documentElement.dataset.shown = shownTheme();
}

function showDrawer(open) {
  document.body.classList.toggle("drawer", open);
  get("menu").setAttribute("aria-expanded", String(open));
  if (open) get("search").focus();
}

let toastTimer = null;

function toast(text, action, onclick) {
  clearTimeout(toastTimer);
  const box = get("toast");
  const end = () => {
    clearTimeout(toastTimer);
    box.hidden = true;
  };
  box.replaceChildren(element("span", { text }), ...(action ? [element("button", { type: "button", text: action, onclick: () => {
    end();
    onclick();
  } })] : []));
  box.hidden = false;
  toastTimer = setTimeout(end, kUndoMs);
}

// ---- Conversations

async function readList() {
  conversations = await loadConversations();
  const first = new Map();
  for (const message of await loadAllMessages()) {
    if (message.parent !== null || message.role !== "user") continue;
    const known = first.get(message.conversation);
    if (!known || message.created < known.created) first.set(message.conversation, message);
  }
  firstTexts = new Map([...first].map(([id, message]) => [id, message.text]));
}

async function openConversation(id) {
  const record = conversations.find((conversation) => conversation.id === id);
  current = record || newConversation(settings.conversation);
  messages = record ? await loadMessages(id) : [];
  for (const message of path) cancelRetry(message);
  messages = messages.map(live);
  markStale();
  views.clear();
  recalled = -1;
  showDrawer(false);
  showPath();
  showSidebar();
  scrollToEnd();
  focusInput();
}

// The record that a request under way writes to, if this is one.
function live(message) {
  for (const { message: answer, question } of running.values()) {
    if (answer.id === message.id) return answer;
    if (question.id === message.id) return question;
  }
  return message;
}

// An answer that no tab is writing any more was interrupted.
function markStale() {
  const mine = new Set([...running.values()].map(({ message }) => message.id));
  let waiting = false;
  for (const message of messages) {
    if (message.status !== "streaming" || mine.has(message.id)) continue;
    if (Date.now() - (message.saved || 0) > kStaleMs) message.status = "stopped";
    else waiting = true;
  }
  if (waiting) setTimeout(() => { markStale(); showPath(); }, kStaleMs);
}

async function touch(conversation) {
  conversation.updated = Date.now();
  if (!conversations.some(({ id }) => id === conversation.id)) conversations.push(conversation);
  await saveConversation(conversation);
  if (conversation === current && location.hash !== `#c=${conversation.id}`) history.replaceState(null, "", `#c=${conversation.id}`);
  showSidebar();
}

async function showLeaf(leaf) {
  current.leaf = leaf;
  showPath();
  await saveConversation(current);
}

async function removeConversation(conversation) {
  const kept = await loadMessages(conversation.id);
  running.get(conversation.id)?.controller.abort();
  await deleteConversations([conversation.id]);
  conversations = conversations.filter((other) => other !== conversation);
  if (current === conversation) location.hash = "#";
  else showSidebar();
  toast(t("deleted", { title: sidebar.title(conversation) }), t("undo"), async () => {
    await saveWhole([{ conversation, messages: kept }]);
    await readList();
    location.hash = `#c=${conversation.id}`;
    showSidebar();
  });
}

async function removeMessage(message) {
  const gone = subtree(messages, message.id);
  if (gone.some((one) => running.get(current.id)?.message.id === one.id)) running.get(current.id).controller.abort();
  const [conversation, leaf] = [current, current.leaf];
  messages = messages.filter((one) => !gone.includes(one));
  current.leaf = message.parent && newestLeaf(messages, message.parent);
  await deleteMessages(gone);
  await touch(current);
  showPath();
  toast(t("messageDeleted"), t("undo"), async () => {
    await saveMessages(gone);
    conversation.leaf = leaf;
    await touch(conversation);
    if (conversation === current) {
      messages.push(...gone);
      showPath();
    }
  });
}

// The message becomes a box; sending it makes a branch beside the old one.
function editMessage(message) {
  const view = views.get(message.id);
  const area = element("textarea", { class: "editing", value: message.text, rows: Math.min(12, message.text.split("\n").length + 1) });
  area.setAttribute("aria-label", t("edit"));
  const end = (text) => {
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
  view.node.replaceChildren(area, element("div", { class: "tools" },
    element("button", { type: "button", class: "primary", text: t("sendEdited"), onclick: () => end(area.value) }),
    element("button", { type: "button", text: t("cancel"), onclick: () => end(null) })));
  area.focus();
  area.selectionStart = area.value.length;
}

async function search(words) {
  const needle = words.trim().toLowerCase();
  if (needle === "") {
    sidebar.found = null;
  } else {
    const all = await loadAllMessages();
    sidebar.found = new Set(all.filter(({ text }) => text.toLowerCase().includes(needle)).map(({ conversation }) => conversation));
    for (const conversation of conversations) {
      if (sidebar.title(conversation).toLowerCase().includes(needle)) sidebar.found.add(conversation.id);
    }
  }
  sidebar.draw();
}

async function exportConversation(conversation) {
  const format = await openDialog(get("export-dialog"));
  if (format !== "markdown" && format !== "json") return;
  const all = conversation === current ? messages : await loadMessages(conversation.id);
  const title = titleOf(conversation, firstTexts.get(conversation.id));
  if (format === "json") download(`${fileName(title)}.json`, "application/json", exportJson([{ conversation, messages: all }], info));
  else download(`${fileName(title)}.md`, "text/markdown", toMarkdown(title, pathTo(all, conversation.leaf), heading));
}

async function exportAll() {
  const all = await loadAllMessages();
  const list = conversations.map((conversation) => ({ conversation, messages: all.filter((one) => one.conversation === conversation.id) }));
  download(`qwen-${new Date().toISOString().slice(0, 10)}.json`, "application/json", exportJson(list, info));
}

async function importFile(file) {
  try {
    const list = importJson(await file.text(), settings.conversation);
    await saveWhole(list);
    await readList();
    showSidebar();
    toast(t("imported", { n: list.length }));
    if (list.length === 1) location.hash = `#c=${list[0].conversation.id}`;
  } catch (error) {
    toast(t("importFailed", { name: file.name, why: error.message }));
  }
}

// ---- Requests

// Runs call(); if the server wants a key, asks for it and runs it again.
async function withKey(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.kind !== "auth" || !(await askKey())) throw error;
    }
  }
}

// A task's name, null for none, undefined for the server's choice if that is not known.
function chosen(conversation, kind) {
  const own = conversation.settings[kind];
  const name = own === null || own === undefined ? info?.defaults?.[kind] : own;
  return name === "" ? null : name;
}

// What the model reads of a message: its text, and its files as blocks.
function fullText(message) {
  const parts = (message.files || []).map(({ name, text }) => `${name}:\n\`\`\`\n${text}\n\`\`\``);
  return [...parts, message.text].filter((part) => part !== "").join("\n\n");
}

function requestBody(conversation, question, before, answer, resume) {
  const own = conversation.settings;
  const body = {
    text: fullText(question),
    messages: historyOf(before.map((message) => ({ role: message.role, text: fullText(message) }))),
    task: question.label ? null : chosen(conversation, "task"),
    reply: chosen(conversation, "reply"),
  };
  if (body.task === null && body.reply === null) body.task = chosen(conversation, "task") || "sentiment";
  if (own.system !== null) body.system = own.system;
  if (own.temperature !== null) body.temperature = own.temperature;
  if (own.length !== null) body.max_tokens = own.length;
  if (own.seed !== null) body.seed = own.seed;
  if (own.think) body.think = own.think === "on";
  if (resume) body.partial = answer.text;
  return body;
}

function handlers(conversation, question, answer) {
  const view = () => views.get(answer.id);
  const follow = () => {
    const stick = atEnd();
    return () => stick && scrollToEnd();
  };
  const changed = () => {
    view()?.scheduleBody(follow);
    if (Date.now() - (answer.saved || 0) > kSaveMs) keep(answer);
  };
  return {
    queued: ({ position }) => {
      if (!view()) return;
      view().status = position > 0 ? t("queued", { n: position }) : t("queuedNext");
      view().drawBody();
    },
    sentiment: (label) => {
      question.label = label;
      saveMessages([question]);
      if (conversation === current) {
        const after = follow();
        if (view()) view().status = null;
        showPath();
        after();
      }
      announce(t("announceLabel", { heading: heading(label.task), label: shownName(label), share: percent(label.probability) }));
    },
    delta: ({ text, reasoning }) => {
      if (reasoning) answer.reasoning = (answer.reasoning || "") + reasoning;
      if (text) answer.text += text;
      changed();
    },
  };
}

function keep(answer) {
  answer.saved = Date.now();
  return saveMessages([answer]).catch(() => toast(t("notSaved")));
}

// Computes `answer` (whose parent is the question), or goes on where its length ended it.
async function run(conversation, answer, { resume = false, tries = 0 } = {}) {
  cancelRetry(answer);
  const before = ancestors(messages, answer);
  const question = before.pop();
  const body = requestBody(conversation, question, before, answer, resume);
  const controller = new AbortController();
  running.set(conversation.id, { controller, message: answer, question });
  const { text: partial } = answer;
  Object.assign(answer, { status: "streaming", done: null, error: null, labelOnly: body.reply === null,
    limit: body.max_tokens || info?.defaults?.max_tokens || null });
  if (!resume) Object.assign(answer, { text: "", reasoning: "" });
  await keep(answer);
  if (conversation === current) showPath();
  let wait = null;
  try {
    answer.done = await withKey(() => analyze(body, handlers(conversation, question, answer), controller.signal));
    answer.status = "done";
    if (answer.text) announce(t("announceReply", { text: answer.text }));
  } catch (error) {
    if (error.name === "AbortError") {
      answer.status = "stopped";
      announce(t("stopped"));
    } else {
      answer.status = "error";
      answer.error = { kind: error instanceof ApiError ? error.kind : "failed", message: error.message };
      if (answer.text === "") answer.text = partial;  // a try that failed at once takes nothing away
      if (error.kind === "busy" && tries < kTriesWhenBusy) wait = Math.max(1, Math.ceil(error.retryAfter || 2));
      if (error.kind === "offline" || error.kind === "broken") reconnect();
      announce(t(answer.error.kind, { why: answer.error.message }));
    }
  }
  running.delete(conversation.id);
  const gone = conversation === current && !messages.includes(answer);
  if (!gone && conversations.includes(conversation)) {
    await keep(answer);
    await touch(conversation);
  }
  if (wait !== null) countDown(conversation, answer, wait, { resume, tries: tries + 1 });
  if (conversation !== current || gone) return;
  const stick = atEnd();
  showPath();
  if (stick) scrollToEnd();
}

function countDown(conversation, answer, seconds, next) {
  const view = views.get(answer.id);
  if (!view || conversation !== current) return;
  view.retryIn = seconds;
  const timer = setInterval(() => {
    if (view.retryIn > 1) view.tick();
    else if (!busyHere()) run(conversation, answer, next);
  }, 1000);
  retries.set(answer.id, { timer });
}

function cancelRetry(message) {
  const retry = retries.get(message.id);
  if (!retry) return;
  clearInterval(retry.timer);
  retries.delete(message.id);
  const view = views.get(message.id);
  if (view) view.retryIn = null;
}

async function say(text, attached, parent) {
  const conversation = current;
  const question = newMessage(conversation, parent, "user", text, attached.length ? { files: attached } : {});
  const answer = newMessage(conversation, question.id, "assistant", "", { status: "streaming", created: question.created + 1 });
  messages.push(question, answer);
  conversation.leaf = answer.id;
  if (!firstTexts.has(conversation.id)) firstTexts.set(conversation.id, text);
  showPath();
  scrollToEnd();
  await saveMessages([question, answer]);
  await touch(conversation);
  await run(conversation, answer);
}

function send(text) {
  if (busyHere() || (text.trim() === "" && files.length === 0)) return;
  for (const message of path) actions.giveUp(message);
  const attached = files.map(({ name, text: content }) => ({ name, text: content }));
  files = [];
  recalled = -1;
  const last = path[path.length - 1];
  say(text.trim(), attached, last ? last.id : null);
}

// Another answer beside the old one.
function answerAgain(old) {
  const answer = newMessage(current, old.parent, "assistant", "", { status: "streaming" });
  messages.push(answer);
  current.leaf = answer.id;
  run(current, answer);
  focusInput();
}

function stop() {
  running.get(current.id)?.controller.abort();
}

async function attach(file) {
  let read;
  try {
    read = await readTextFile(file);
  } catch {
    toast(t("notText", { name: file.name }));
    return;
  }
  const entry = { name: read.name, text: read.text, tokens: null, tooLong: false };
  files.push(entry);
  showComposer();
  try {
    entry.tokens = await withKey(() => countTokens(read.text));
  } catch {
    entry.tokens = null;  // the server refuses the message then, if it is too long
  }
  entry.most = info?.limits?.prompt_tokens || info?.context || Infinity;
  entry.tooLong = entry.tokens !== null && entry.tokens > entry.most;
  showComposer();
}

// ---- The server comes and goes

async function loadInfo() {
  info = await withKey(getInfo);
  get("model").textContent = info.model;
  get("model").title = `${info.name} ${info.version}`;
  showLanguage();
}

async function begin() {
  try {
    await loadInfo();
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
  await begin();
}

// ---- Other tabs

let reloading = null;

function onOtherTab(change) {
  if (change.conversation && change.conversation !== current?.id) return;
  clearTimeout(reloading);
  reloading = setTimeout(async () => {
    const known = conversations;
    await readList();
    // Records that this tab is working with stay the same objects.
    conversations = conversations.map((fresh) => {
      const old = known.find((other) => other.id === fresh.id);
      return old ? Object.assign(old, { ...fresh, leaf: old === current ? old.leaf : fresh.leaf }) : fresh;
    });
    if (messages.length && !conversations.some(({ id }) => id === current.id)) {
      running.get(current.id)?.controller.abort();
      location.hash = "#";
      return;
    }
    if (messages.length || conversations.some(({ id }) => id === current.id)) {
      const stick = atEnd();
      messages = (await loadMessages(current.id)).map(live);
      markStale();
      showPath();
      if (stick) scrollToEnd();
    }
    showSidebar();
  }, 60);
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
  if (batch) return openBatch(() => info, { announce, toast, withKey });
  const id = /^#c=([\w-]+)$/.exec(location.hash)?.[1] || null;
  if (current && id === current.id) return showPath();
  return openConversation(id);
}

function submit() {
  if (busyHere() || get("send").disabled) return;
  const text = input.value;
  input.value = "";
  saveDraft("");
  growInput();
  send(text);
}

// What was said before in this conversation, the newest first.
function recall(step) {
  const said = path.filter((message) => message.role === "user").map((message) => message.text).reverse();
  const next = recalled + step;
  if (next < -1 || next >= said.length) return;
  recalled = next;
  input.value = next < 0 ? "" : said[next];
  growInput();
  showComposer();
}

get("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
input.addEventListener("input", () => {
  recalled = -1;
  saveDraft(input.value);
  growInput();
  showComposer();
});
input.addEventListener("keydown", (event) => {
  // While an input method composes, its keys are its own. Safari says so by 229 only.
  if (event.isComposing || event.keyCode === 229) return;
  const empty = input.value === "" || recalled >= 0;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && empty && !event.shiftKey) {
    event.preventDefault();
    recall(event.key === "ArrowUp" ? 1 : -1);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  if (document.body.classList.contains("drawer")) {
    showDrawer(false);
    get("menu").focus();
  } else if (current && busyHere()) {
    stop();
  } else {
    for (const message of path) if (retries.has(message.id)) actions.giveUp(message);
  }
});
get("stop").addEventListener("click", () => {
  stop();
  focusInput();
});
get("attach").addEventListener("click", () => pickFile("", attach));
get("chat").addEventListener("dragover", (event) => event.preventDefault());
get("chat").addEventListener("drop", (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) attach(file);
});
get("menu").addEventListener("click", () => showDrawer(!document.body.classList.contains("drawer")));
get("shade").addEventListener("click", () => showDrawer(false));
get("new").addEventListener("click", () => {
  if (messages.length === 0 && location.hash !== "#batch") showDrawer(false);
  location.hash = "#";
  focusInput();
});
get("search").addEventListener("input", () => search(get("search").value));
get("export").addEventListener("click", () => exportConversation(current));
get("export-all").addEventListener("click", exportAll);
get("import").addEventListener("click", () => pickFile(".json,application/json", importFile));
get("settings").addEventListener("click", () => openPanel(current.settings, info, () => {
  settings.conversation = { ...current.settings };
  saveSettings();
  if (conversations.includes(current)) saveConversation(current);
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
scroller.addEventListener("scroll", () => {
  get("down").hidden = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 240;
});
get("down").addEventListener("click", scrollToEnd);
addEventListener("hashchange", route);
addEventListener("pagehide", () => {
  if (running.size) saveCut([...running.values()].map(({ message }) => ({ ...message, status: "stopped" })));
});

async function start() {
  input.value = loadDraft();
  showTheme();
  const kept = await openStore();
  await readList();
  watchStore(onOtherTab);
  await route();
  if (!current) await openConversation(null);
  showLanguage();
  growInput();
  if (!kept) toast(t("notSaved"));
  begin();
}
start();
