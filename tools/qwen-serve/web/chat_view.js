// The conversation on the page: its title, its messages, and where the reader is in them.
import { branches, pathTo, titleOf } from "./conversation.js";
import { taskName } from "./dialogs.js";
import { t } from "./i18n.js";
import { trendView } from "./label_view.js";
import { AnswerView, UserView } from "./message_view.js";
import { announce } from "./notices.js";
import { state } from "./state.js";

const get = (id) => document.getElementById(id);
const scroller = get("scroller");

export const views = new Map();  // message id -> view

// What a message's buttons do: app.js adds edit, remove, regenerate, resume, retry, giveUp and show.
export const actions = {
  announce,
  heading,
  branches: (message) => branches(state.messages, message),
  isLast: (message) => state.path[state.path.length - 1]?.id === message.id,
};

// What people read for a task.
export function heading(name) {
  const task = state.info?.tasks?.find((one) => one.name === name);
  return task ? taskName(task) : t("tasks")[name] || name || "";
}

// Not if focus would bring up a keyboard over half of the screen.
export function focusInput() {
  if (matchMedia("(hover: hover)").matches) get("input").focus();
}

const toEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;

export function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

// Called before a change of the messages; what it returns is called after it, and keeps a reader who was at the end there.
export function follow() {
  const stick = toEnd() < 80;
  return () => {
    if (stick) scrollToEnd();
  };
}

scroller.addEventListener("scroll", () => {
  get("down").hidden = toEnd() < 240;
});
get("down").addEventListener("click", scrollToEnd);

// Shows the branch that ends in the conversation's leaf. Views of messages that stay are kept: what is open stays open.
export function showPath() {
  state.path = pathTo(state.messages, state.current.leaf);
  const { path } = state;
  const kept = new Set(path.map((message) => message.id));
  for (const id of [...views.keys()]) if (!kept.has(id)) views.delete(id);
  for (const message of path) {
    let view = views.get(message.id);
    if (!view) {
      view = message.role === "user" ? new UserView(message, actions) : new AnswerView(message, actions);
      views.set(message.id, view);
    } else {
      view.message = message;
      if (!view.editing) view.draw();
    }
  }
  placeNodes(get("messages"), path.map((message) => views.get(message.id).node));
  get("welcome").hidden = path.length > 0;
  get("export").disabled = path.length === 0;
  const trend = trendView(path.filter((message) => message.label).map((message) => message.label));
  get("trend").replaceChildren(...(trend ? [trend] : []));
}

// Makes `nodes` the children of `parent`. Nodes that are in their place are left alone: they keep the focus.
function placeNodes(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] || null);
  });
}

export function showTitle() {
  const { current, firstTexts, info } = state;
  const title = current ? titleOf(current, firstTexts.get(current.id)) : "";
  get("title").textContent = title || t("untitled");
  get("to-chat").href = current && state.messages.length > 0 ? `#c=${current.id}` : "#";
  document.title = [title, info?.name || "qwen-serve"].filter(Boolean).join(" · ");
}
