// A conversation as a tree of messages: an edited message or another answer is a branch beside the old one. Pure
// functions on plain records; app.js shows them and store.js keeps them.
import { newId } from "./store.js";

const kTitleLength = 40;

export function newConversation(settings, now = Date.now()) {
  return { id: newId(), title: "", created: now, updated: now, settings: { ...settings }, leaf: null };
}

// role: "user" (with `label` once it is known) or "assistant" (status "streaming", "done", "stopped" or "error").
export function newMessage(conversation, parent, role, text, more = {}) {
  return { id: newId(), conversation: conversation.id, parent, role, text, created: Date.now(), ...more };
}

// Tokens of a reply at most, as the conversation's settings say; else a quarter of the context, or half of it for a model
// that thinks first. null: the server's default, while the page does not know the server.
export function longestReply(settings, info) {
  if (settings.length !== null) return settings.length;
  if (!info?.context) return null;
  const [most, share] = settings.think === "on" && info.thinking ? [4096, 2] : [1024, 4];
  return Math.max(1, Math.min(most, Math.floor(info.context / share)));
}

const older = (a, b) => a.created - b.created || (a.id < b.id ? -1 : 1);

// The messages with this parent, oldest first.
export const children = (messages, parent) => messages.filter((message) => message.parent === parent).sort(older);

// A message and all that follow from it; all messages for null.
export function subtree(messages, id) {
  const following = new Map();
  for (const message of messages) {
    if (!following.has(message.parent)) following.set(message.parent, []);
    following.get(message.parent).push(message);
  }
  const found = id === null ? [...(following.get(null) || [])] : messages.filter((message) => message.id === id);
  for (let i = 0; i < found.length; ++i) found.push(...(following.get(found[i].id) || []));
  return found;
}

// The newest of the messages that follow from this one, itself if there are none: where the conversation went on last.
export function newestLeaf(messages, id) {
  const newest = subtree(messages, id).sort(older).pop();
  return newest ? newest.id : id;
}

// The messages that lead to this one, the first of the conversation first.
export function ancestors(messages, message) {
  const index = new Map(messages.map((one) => [one.id, one]));
  const path = [];
  for (let one = index.get(message.parent); one; one = index.get(one.parent)) path.unshift(one);
  return path;
}

// The messages shown: from the first to the leaf, and what another tab has added to it. A leaf that another tab has
// deleted gives the newest branch.
export function pathTo(messages, leaf) {
  const known = messages.some((message) => message.id === leaf);
  const end = newestLeaf(messages, known ? leaf : null);
  const last = messages.find((message) => message.id === end);
  return last ? [...ancestors(messages, last), last] : [];
}

// {position (from 1), count, before, after}: where a message is among its branches; before and after are leaves.
export function branches(messages, message) {
  const all = children(messages, message.parent);
  const at = all.findIndex((other) => other.id === message.id);
  const leaf = (other) => (other ? newestLeaf(messages, other.id) : null);
  return { position: at + 1, count: all.length, before: leaf(all[at - 1]), after: leaf(all[at + 1]) };
}

// What the server gets as history: [{role, content}] of the path before a message, a user's and an assistant's in turn.
// Messages without an answer between them are joined; a last one without an answer is left out.
export function historyOf(path) {
  const history = [];
  for (const { role, text } of path) {
    if (text === "") continue;
    const last = history[history.length - 1];
    if (last?.role === role) last.content += `\n\n${text}`;
    else history.push({ role, content: text });
  }
  if (history.length % 2) history.pop();
  return history;
}

export function titleOf(conversation, firstText) {
  if (conversation.title) return conversation.title;
  const line = (firstText || "").trim().split("\n")[0];
  const characters = [...line];
  return characters.length > kTitleLength ? `${characters.slice(0, kTitleLength).join("")}…` : line;
}

// ---- Files

export const kExportFormat = "qwen-conversations";

// The whole of it, with all branches: what importFile reads.
export function exportJson(list, info) {
  return `${JSON.stringify({
    format: kExportFormat,
    version: 1,
    exported: new Date().toISOString(),
    server: info ? { name: info.name, version: info.version, model: info.model } : null,
    conversations: list.map(({ conversation, messages }) => ({ ...conversation, messages })),
  }, null, 2)}\n`;
}

const kRoles = ["user", "assistant"];
const text = (value) => (typeof value === "string" ? value : null);

function importMessage(given, ids, conversation, at) {
  if (typeof given !== "object" || given === null || !kRoles.includes(given.role) || text(given.text) === null) {
    throw new Error(`messages[${at}]: expected "role" (user or assistant) and "text"`);
  }
  const { id, parent, label, reasoning, done, status, ...rest } = given;
  const created = Number(rest.created);
  return {
    id: ids.get(id), conversation, parent: parent === null || parent === undefined ? null : ids.get(parent) || null,
    role: given.role, text: given.text, created: Number.isFinite(created) ? created : at,
    ...(typeof label === "object" && label !== null && text(label.label) !== null ? { label } : {}),
    ...(text(reasoning) ? { reasoning } : {}),
    ...(typeof done === "object" && done !== null ? { done } : {}),
    ...(given.role === "assistant" ? { status: status === "stopped" || status === "error" ? "stopped" : "done" } : {}),
  };
}

// [{conversation, messages}] of an exported file, with new ids, so that nothing that is there is overwritten. Throws
// Error with the reason if the text is something else.
export function importJson(source, defaults) {
  const file = JSON.parse(source);
  if (file?.format !== kExportFormat || !Array.isArray(file.conversations)) {
    throw new Error(`expected "format": "${kExportFormat}" and "conversations"`);
  }
  return file.conversations.map((given) => {
    if (!Array.isArray(given?.messages)) throw new Error("a conversation has no messages");
    const conversation = newConversation(defaults);
    conversation.title = text(given.title) || "";
    for (const name of Object.keys(defaults)) {
      if (given.settings && name in given.settings) conversation.settings[name] = given.settings[name];
    }
    for (const name of ["created", "updated"]) if (Number.isFinite(given[name])) conversation[name] = given[name];
    const ids = new Map(given.messages.map((message) => [message?.id, newId()]));
    const messages = given.messages.map((message, at) => importMessage(message, ids, conversation.id, at));
    conversation.leaf = ids.get(given.leaf) || null;
    return { conversation, messages };
  });
}
