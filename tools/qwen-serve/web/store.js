// What outlives a reload, in localStorage: settings, the conversation shown, what is typed and not yet sent.
const kSettings = "qwen.settings";
const kChat = "qwen.chat";
const kDraft = "qwen.draft";
const kTurnsKept = 200;

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
    // Storage that is full or blocked: the page works on, but forgets at the next reload.
  }
}

// null: what the server or the browser has as its default; a task may also be "", for none.
export const kDefaults = {
  theme: null,
  language: null,
  task: null,
  reply: null,
  history: true,
  temperature: null,
  length: null,
  seed: null,
};
export const settings = { ...kDefaults, ...load(kSettings) };
export const saveSettings = () => save(kSettings, settings);

// turns: {user, reply, label, status: "streaming" | "done" | "stopped" | "error", done, error, history, divider}
export function loadChat() {
  const chat = load(kChat);
  const turns = Array.isArray(chat?.turns) ? chat.turns.filter((turn) => typeof turn?.user === "string") : [];
  for (const turn of turns) {
    if (turn.status === "streaming") turn.status = "stopped";  // the page was closed meanwhile
    turn.reply = String(turn.reply ?? "");
  }
  return { session: typeof chat?.session === "string" ? chat.session : null, turns };
}
export const saveChat = ({ session, turns }) => save(kChat, { session, turns: turns.slice(-kTurnsKept) });

export const loadDraft = () => String(load(kDraft) ?? "");
export const saveDraft = (text) => save(kDraft, text);
