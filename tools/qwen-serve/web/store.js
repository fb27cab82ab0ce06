// What outlives a reload: settings in localStorage, conversations and the batch in IndexedDB. Every write is announced
// on a BroadcastChannel, so that all tabs show the same.
const kSettings = "qwen.settings";
const kDraft = "qwen.draft";
const kCut = "qwen.cut";
const kDatabase = "qwen";
const kVersion = 1;
const kChannel = "qwen";

function load(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

function save(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Storage that is full or blocked: the page works on and forgets this at the next reload.
  }
}

// Settings of a conversation. null: the server's default. A task may also be "", for none.
export const kConversationDefaults = {
  task: null,
  reply: null,
  system: null,
  temperature: null,
  length: null,
  seed: null,
  think: null,   // "on"; null: off
  budget: null,  // tokens of a thought at most
};
const kDefaults = { theme: null, language: null, sidebar: true };
export const settings = { ...kDefaults, ...load(kSettings) };
// New conversations begin with what was chosen last.
settings.conversation = { ...kConversationDefaults, ...settings.conversation };
export const saveSettings = () => save(kSettings, settings);

export const loadDraft = () => String(load(kDraft) || "");
export const saveDraft = (text) => save(kDraft, text);

// Answers under way when the page closes. IndexedDB may not finish then; localStorage does at once.
export const saveCut = (messages) => save(kCut, [...(load(kCut) || []), ...messages]);

function takeCut() {
  const messages = load(kCut);
  if (messages) localStorage.removeItem(kCut);
  return Array.isArray(messages) ? messages : [];
}

// An id that no other tab or machine draws; crypto.randomUUID needs https, this does not.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// ---- IndexedDB
//
// conversations  {id, title, created, updated, settings, leaf}
// messages       {id, conversation, parent, role, text, created, ...}   parent: a message's id, or null
// batch          {id: "current", ...}
// A message is a record of its own: two tabs that write to one conversation add branches, and none overwrites
// the other's.

let database = null;  // null: storage is blocked, and memory has to do
const memory = { conversations: new Map(), messages: new Map(), batch: new Map() };

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export async function openStore() {
  try {
    const request = indexedDB.open(kDatabase, kVersion);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("conversations", { keyPath: "id" });
      db.createObjectStore("messages", { keyPath: "id" }).createIndex("conversation", "conversation");
      db.createObjectStore("batch", { keyPath: "id" });
    };
    database = await finished(request);
    // A newer page in another tab wants to upgrade: it may, and this tab goes on in memory until its reload.
    database.onversionchange = () => {
      database.close();
      database = null;
    };
  } catch {
    database = null;
  }
  const cut = takeCut();
  if (cut.length) await write({ messages: cut });
  return database !== null;
}

// Puts `records` ({store: [record]}) and deletes `keys` ({store: [key]}) in one transaction.
async function write(records, keys = {}) {
  const stores = [...new Set([...Object.keys(records), ...Object.keys(keys)])];
  for (const store of stores) {
    for (const record of records[store] || []) memory[store].set(record.id, record);
    for (const key of keys[store] || []) memory[store].delete(key);
  }
  if (!database) return;
  const transaction = database.transaction(stores, "readwrite");
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
  for (const store of stores) {
    for (const record of records[store] || []) transaction.objectStore(store).put(record);
    for (const key of keys[store] || []) transaction.objectStore(store).delete(key);
  }
  await done;
}

async function readAll(store, index, key) {
  if (!database) {
    return [...memory[store].values()].filter((record) => index === undefined || record[index] === key);
  }
  const source = database.transaction(store).objectStore(store);
  return finished(index === undefined ? source.getAll() : source.index(index).getAll(key));
}

// ---- Conversations

export const loadConversations = () => readAll("conversations");
export const loadMessages = (conversation) => readAll("messages", "conversation", conversation);
export const loadAllMessages = () => readAll("messages");

export async function saveConversation(conversation) {
  await write({ conversations: [conversation] });
  tell({ type: "conversation", id: conversation.id });
}

export async function saveMessages(messages) {
  await write({ messages });
  for (const message of messages) tell({ type: "message", id: message.id, conversation: message.conversation });
}

export async function deleteMessages(messages) {
  await write({}, { messages: messages.map((message) => message.id) });
  tell({ type: "deleted", conversation: messages[0]?.conversation });
}

// Several whole conversations: [{conversation, messages}].
export async function saveWhole(list) {
  await write({
    conversations: list.map(({ conversation }) => conversation),
    messages: list.flatMap(({ messages }) => messages),
  });
  tell({ type: "list" });
}

export async function deleteConversations(ids) {
  const messages = (await Promise.all(ids.map(loadMessages))).flat();
  await write({}, { conversations: ids, messages: messages.map((message) => message.id) });
  tell({ type: "list" });
}

// ---- The batch: one at a time, kept whole

export const loadBatch = async () => (await readAll("batch"))[0] || null;
export const saveBatch = (batch) => write({ batch: [{ ...batch, id: "current" }] });
export const forgetBatch = () => write({}, { batch: ["current"] });

// ---- Other tabs

const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(kChannel);
const tell = (message) => channel?.postMessage(message);

// on(message) for each write of another tab; a browser without BroadcastChannel says "list" when the tab is shown.
export function watchStore(on) {
  if (channel) channel.onmessage = ({ data }) => on(data);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) on({ type: "list" });
  });
}
