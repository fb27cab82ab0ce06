// The list of conversations: read, opened, changed, removed, and kept in step with other tabs.
import { follow, focusInput, scrollToEnd, showPath, showTitle, views } from "./chat_view.js";
import { resetRecall, showComposer } from "./composer.js";
import { newConversation, newestLeaf, subtree } from "./conversation.js";
import { t } from "./i18n.js";
import { toast } from "./notices.js";
import { Sidebar } from "./sidebar.js";
import { cancelRetry, isKnown, live, running, state } from "./state.js";
import {
  deleteConversations, deleteMessages, loadAllMessages, loadConversations, loadMessages, saveConversation, saveMessages,
  saveWhole, settings,
} from "./store.js";

const kStaleMs = 5000;  // a reply that no tab has saved for this long is not being written

const get = (id) => document.getElementById(id);

let sidebar = null;

// exportOne(conversation) exports one.
export function makeSidebar(exportOne) {
  sidebar = new Sidebar({
    open: (id) => { location.hash = `#c=${id}`; },
    rename: async (conversation, title) => {
      conversation.title = title;
      showSidebar();
      await saveConversation(conversation);
    },
    remove: removeConversation,
    exportOne,
  });
}

export function showSidebar() {
  sidebar.show(state.conversations, state.firstTexts, state.current?.id);
  showTitle();
}

// On a narrow screen; the page behind the drawer cannot be reached while it is open.
export function showDrawer(open) {
  document.body.classList.toggle("drawer", open);
  get("chat").inert = open;
  get("menu").setAttribute("aria-expanded", String(open));
  if (open) get("search").focus();
}

// Records that this tab works with stay the same objects. The branch that it shows is its own.
export async function readList() {
  const mine = [...state.conversations, ...[...running.values()].map(({ conversation }) => conversation)];
  if (state.current) mine.push(state.current);
  const known = new Map(mine.map((record) => [record.id, record]));
  const fresh = await loadConversations();
  state.conversations = fresh.map((record) => {
    const old = known.get(record.id);
    return old ? Object.assign(old, record, { leaf: old === state.current ? old.leaf : record.leaf }) : record;
  });
  const first = new Map();
  for (const message of await loadAllMessages()) {
    if (message.parent !== null || message.role !== "user") continue;
    const other = first.get(message.conversation);
    if (!other || message.created < other.created) first.set(message.conversation, message);
  }
  state.firstTexts = new Map([...first].map(([id, message]) => [id, message.text]));
}

let opening = 0;

export async function openConversation(id) {
  const mine = ++opening;
  const record = state.conversations.find((conversation) => conversation.id === id);
  const messages = record ? await loadMessages(id) : [];
  if (mine !== opening) return;  // another one was opened in the meantime
  for (const message of state.path) cancelRetry(message);
  state.current = record || newConversation(settings.conversation);
  state.messages = messages.map(live);
  markStale();
  views.clear();
  resetRecall();
  showDrawer(false);
  showPath();
  showComposer();
  showSidebar();
  scrollToEnd();
  focusInput();
}

// A reply that no tab is writing any more was interrupted.
function markStale() {
  const mine = new Set([...running.values()].map(({ message }) => message.id));
  let waiting = false;
  for (const message of state.messages) {
    if (message.status !== "streaming" || mine.has(message.id)) continue;
    if (Date.now() - (message.saved || 0) > kStaleMs) message.status = "stopped";
    else waiting = true;
  }
  if (waiting) setTimeout(() => { markStale(); showPath(); }, kStaleMs);
}

// Saves a conversation that has changed, and moves it to the top of the list.
export async function touch(conversation) {
  conversation.updated = Date.now();
  await saveConversation(conversation);
  if (!isKnown(conversation)) state.conversations.push(conversation);
  if (conversation === state.current && location.hash !== "#batch" && location.hash !== `#c=${conversation.id}`) {
    history.replaceState(null, "", `#c=${conversation.id}`);
  }
  showSidebar();
}

export async function showLeaf(leaf) {
  state.current.leaf = leaf;
  showPath();
  await saveConversation(state.current);
}

async function removeConversation(conversation) {
  const kept = await loadMessages(conversation.id);
  running.get(conversation.id)?.controller.abort();
  await deleteConversations([conversation.id]);
  state.conversations = state.conversations.filter(({ id }) => id !== conversation.id);
  if (state.current === conversation) location.hash = "#";
  else showSidebar();
  toast(t("deleted", { title: sidebar.title(conversation) }), t("undo"), async () => {
    await saveWhole([{ conversation, messages: kept }]);
    await readList();
    location.hash = `#c=${conversation.id}`;
    showSidebar();
  });
}

export async function removeMessage(message) {
  const conversation = state.current;
  const { leaf } = conversation;
  const gone = subtree(state.messages, message.id);
  const reply = running.get(conversation.id);
  if (gone.some((one) => reply?.message.id === one.id)) reply.controller.abort();
  state.messages = state.messages.filter((one) => !gone.includes(one));
  conversation.leaf = message.parent && newestLeaf(state.messages, message.parent);
  showPath();
  await deleteMessages(gone);
  await touch(conversation);
  toast(t("messageDeleted"), t("undo"), async () => {
    await saveMessages(gone);
    conversation.leaf = leaf;
    await touch(conversation);
    if (conversation === state.current) {
      state.messages = (await loadMessages(conversation.id)).map(live);
      showPath();
    }
  });
}

let searches = 0;

export async function search(words) {
  const mine = ++searches;
  const needle = words.trim().toLowerCase();
  let found = null;
  if (needle !== "") {
    const all = await loadAllMessages();
    found = new Set(all.filter(({ text }) => text.toLowerCase().includes(needle)).map(({ conversation }) => conversation));
    for (const conversation of state.conversations) {
      if (sidebar.title(conversation).toLowerCase().includes(needle)) found.add(conversation.id);
    }
  }
  if (mine !== searches) return;
  sidebar.found = found;
  sidebar.draw();
}

// ---- Other tabs

let reloading = null;

// Another tab has written something: reads what this tab shows again.
export function onOtherTab(change) {
  if (change.conversation && change.conversation !== state.current?.id) return;
  clearTimeout(reloading);
  reloading = setTimeout(async () => {
    const { current } = state;
    const before = isKnown(current);
    await readList();
    if (before && !isKnown(current)) {  // deleted
      running.get(current.id)?.controller.abort();
      if (current === state.current) location.hash = "#";
      return;
    }
    if (isKnown(current)) {
      const messages = (await loadMessages(current.id)).map(live);
      if (current !== state.current) return;
      state.messages = messages;
      markStale();
      const after = follow();
      showPath();
      after();
    }
    showSidebar();
  }, 60);
}
