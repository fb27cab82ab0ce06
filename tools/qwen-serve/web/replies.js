// Replies: what the server is asked, what comes back, and what becomes of a reply that is stopped, refused or cut off.
import { ApiError, analyze } from "./api.js";
import { actions, focusInput, follow, heading, scrollToEnd, showPath, views } from "./chat_view.js";
import { hasFiles, showComposer, takeFiles } from "./composer.js";
import { reconnect, withKey } from "./connection.js";
import { ancestors, historyOf, longestReply, newMessage } from "./conversation.js";
import { touch } from "./conversations.js";
import { percent, t } from "./i18n.js";
import { shownName } from "./label_view.js";
import { announce, toast } from "./notices.js";
import { busyHere, cancelRetry, isKnown, retries, running, state } from "./state.js";
import { saveMessages } from "./store.js";

const kTriesWhenBusy = 5;  // without the person; then the button
const kSaveMs = 1000;      // a reply under way is saved this often

// A task's name, null for none, undefined for the server's choice if that is not known.
function chosen(conversation, kind) {
  const own = conversation.settings[kind];
  const name = own === null || own === undefined ? state.info?.defaults?.[kind] : own;
  return name === "" ? null : name;
}

// What the model reads of a message: its text, and its files as blocks.
function fullText(message) {
  const parts = (message.files || []).map(({ name, text }) => `${name}:\n\`\`\`\n${text}\n\`\`\``);
  return [...parts, message.text].filter((part) => part !== "").join("\n\n");
}

function requestBody(conversation, question, before, partial) {
  const own = conversation.settings;
  const body = {
    text: fullText(question),
    messages: historyOf(before.map((message) => ({ role: message.role, text: fullText(message) }))),
    task: question.label ? null : chosen(conversation, "task"),
    reply: chosen(conversation, "reply"),
  };
  if (body.task === null && body.reply === null) body.task = chosen(conversation, "task") || "sentiment";
  if (own.temperature !== null) body.temperature = own.temperature;
  if (own.seed !== null) body.seed = own.seed;
  if (body.reply === null) return body;  // what follows belongs to a reply
  const longest = longestReply(own, state.info);
  if (longest !== null) body.max_tokens = longest;
  if (own.system !== null) body.system = own.system;
  if (own.think === "on") {
    body.think = true;
    if (own.budget !== null) body.thinking_budget = own.budget;
  }
  if (partial) body.partial = partial;
  return body;
}

function keep(...messages) {
  for (const message of messages) message.saved = Date.now();
  return saveMessages(messages).catch(() => toast(t("notSaved")));
}

function handlers(conversation, question, answer) {
  const view = () => views.get(answer.id);
  return {
    queued: ({ position }) => {
      if (!view()) return;
      view().status = position > 0 ? t("queued", { n: position }) : t("queuedNext");
      view().drawBody();
    },
    sentiment: (label) => {
      if (!isKnown(conversation)) return;  // deleted
      question.label = label;
      keep(question);
      if (conversation === state.current) {
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
      view()?.scheduleBody(follow);
      if (Date.now() - answer.saved > kSaveMs) keep(answer);
    },
  };
}

// Computes `answer`, whose parent is the question, or continues it. `thread`: the messages before it, the question last.
// `fresh`: messages that are not stored yet.
export async function run(conversation, answer, { resume = false, tries = 0, fresh = [], thread = ancestors(state.messages, answer) } = {}) {
  cancelRetry(answer);
  const question = thread[thread.length - 1];
  const { text: partial } = answer;
  const body = requestBody(conversation, question, thread.slice(0, -1), resume ? partial : "");
  const controller = new AbortController();
  running.set(conversation.id, { controller, conversation, message: answer, question });
  Object.assign(answer, { status: "streaming", done: null, error: null, labelOnly: body.reply === null,
    limit: body.max_tokens || state.info?.defaults?.max_tokens || null });
  if (!resume) Object.assign(answer, { text: "", reasoning: "" });
  show(conversation);
  await keep(...fresh, answer);
  if (fresh.length > 0) await touch(conversation);
  let wait = null;
  try {
    answer.done = await withKey(() => analyze(body, handlers(conversation, question, answer), controller.signal));
    answer.status = "done";
    if (answer.text) announce(t("announceReply", { text: answer.text }));
  } catch (error) {
    wait = fail(answer, error, partial, tries);
  }
  running.delete(conversation.id);
  const gone = !isKnown(conversation) || (conversation === state.current && !state.messages.includes(answer));
  if (!gone) {
    await keep(answer);
    await touch(conversation);
  }
  if (wait !== null && !gone) countDown(conversation, answer, wait, { resume, tries: tries + 1 });
  show(conversation);
}

function show(conversation) {
  if (conversation !== state.current) return;
  const after = follow();
  showPath();
  showComposer();
  after();
}

// Seconds until the next try, or null.
function fail(answer, error, partial, tries) {
  if (error.name === "AbortError") {
    answer.status = "stopped";
    announce(t("stopped"));
    return null;
  }
  answer.status = "error";
  answer.error = { kind: error instanceof ApiError ? error.kind : "failed", message: error.message };
  if (answer.text === "") answer.text = partial;  // a try that failed at once loses nothing
  if (error.kind === "offline" || error.kind === "broken") reconnect();
  announce(t(answer.error.kind, { why: answer.error.message }));
  return error.kind === "busy" && tries < kTriesWhenBusy ? Math.max(1, Math.ceil(error.retryAfter || 2)) : null;
}

function countDown(conversation, answer, seconds, next) {
  const view = views.get(answer.id);
  if (!view || conversation !== state.current) return;
  view.retryIn = seconds;
  const timer = setInterval(() => {
    if (view.retryIn > 1) view.tick();
    else if (!busyHere()) run(conversation, answer, next);
  }, 1000);
  retries.set(answer.id, { timer, view });
}

// A question behind `parent` (null: the first of a branch), and its answer.
export function say(text, attached, parent) {
  const conversation = state.current;
  const question = newMessage(conversation, parent, "user", text, attached.length ? { files: attached } : {});
  const answer = newMessage(conversation, question.id, "assistant", "", { status: "streaming", created: question.created + 1 });
  state.messages.push(question, answer);
  conversation.leaf = answer.id;
  if (!state.firstTexts.has(conversation.id)) state.firstTexts.set(conversation.id, text);
  const done = run(conversation, answer, { fresh: [question] });
  scrollToEnd();
  return done;
}

export function send(text) {
  if (busyHere() || (text.trim() === "" && !hasFiles())) return;
  for (const message of state.path) actions.giveUp(message);
  const last = state.path[state.path.length - 1];
  say(text.trim(), takeFiles(), last ? last.id : null);
}

// Another answer beside the old one.
export function answerAgain(old) {
  const { current } = state;
  const answer = newMessage(current, old.parent, "assistant", "", { status: "streaming" });
  state.messages.push(answer);
  current.leaf = answer.id;
  run(current, answer);
  focusInput();
}

export function stop() {
  running.get(state.current.id)?.controller.abort();
}
