// The list of conversations at the side; a drawer on a phone.
import { titleOf } from "./conversation.js";
import { element, iconButton } from "./dom.js";
import { currentLanguage, t } from "./i18n.js";

const get = (id) => document.getElementById(id);
const kDay = 86400000;

function dayStart(time) {
  return new Date(time).setHours(0, 0, 0, 0);
}

function groupOf(updated, now) {
  const days = Math.round((dayStart(now) - dayStart(updated)) / kDay);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  return days < 7 ? "thisWeek" : "older";
}

export class Sidebar {
  // actions: open(id), rename(conversation, title), remove(conversation), exportOne(conversation)
  constructor(actions) {
    this.actions = actions;
    this.conversations = [];
    this.firstTexts = new Map();  // id -> text of the first message, for titles
    this.found = null;            // ids that match the search; null: no search
    this.current = null;
    this.renaming = null;
  }

  show(conversations, firstTexts, current) {
    this.conversations = [...conversations].sort((a, b) => b.updated - a.updated);
    this.firstTexts = firstTexts;
    this.current = current;
    if (!this.renaming) this.draw();
  }

  title(conversation) {
    return titleOf(conversation, this.firstTexts.get(conversation.id)) || t("untitled");
  }

  draw() {
    const list = get("conversations");
    const shown = this.conversations.filter(({ id }) => this.found === null || this.found.has(id));
    const nodes = [];
    let group = null;
    for (const conversation of shown) {
      const next = groupOf(conversation.updated, Date.now());
      if (next !== group) nodes.push(element("li", { class: "group", text: t(next) }));
      group = next;
      nodes.push(this.row(conversation));
    }
    if (nodes.length === 0) nodes.push(element("li", { class: "empty", text: t(this.found === null ? "noConversations" : "nothingFound") }));
    list.replaceChildren(...nodes);
  }

  row(conversation) {
    const open = element("button", {
      type: "button", class: "open", text: this.title(conversation),
      title: new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "medium", timeStyle: "short" }).format(conversation.updated),
      onclick: () => this.actions.open(conversation.id),
    });
    const current = conversation.id === this.current;
    if (current) open.setAttribute("aria-current", "true");
    const row = element("li", { class: current ? "row current" : "row" }, open,
      iconButton("edit", t("renameOne", { title: this.title(conversation) }), () => this.rename(conversation, row)),
      iconButton("export", t("exportOne", { title: this.title(conversation) }), () => this.actions.exportOne(conversation)),
      iconButton("delete", t("deleteOne", { title: this.title(conversation) }), () => this.actions.remove(conversation)));
    return row;
  }

  rename(conversation, row) {
    this.renaming = conversation.id;
    const input = element("input", { type: "text", value: this.title(conversation), maxLength: 100, "aria-label": t("title") });
    const end = (keep) => {
      if (this.renaming === null) return;
      this.renaming = null;
      if (keep && input.value.trim() !== "") this.actions.rename(conversation, input.value.trim());
      else this.draw();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) end(true);
      if (event.key === "Escape") end(false);
      if (event.key === "Enter" || event.key === "Escape") event.stopPropagation();
    });
    input.addEventListener("blur", () => end(true));
    row.replaceChildren(input);
    input.select();
    input.focus();
  }
}
