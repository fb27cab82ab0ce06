// One message on the page: what was said with its label, or an answer with its reasoning, figures, tools and errors.
import { copyButton, element, icon, iconButton } from "./dom.js";
import { duration, t } from "./i18n.js";
import { labelView } from "./label_view.js";
import { render } from "./markdown.js";

// actions: announce(text), heading(task), branches(message), show(leaf), edit(message), remove(message),
// regenerate(message), resume(message), retry(message), giveUp(message), isLast(message)
class MessageView {
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.labelState = { open: false };
    this.editing = false;  // the message is a text box now
  }

  copyButton(title, text) {
    return copyButton(title, text, { copied: t("copied"), failed: t("copyFailed"), announce: this.actions.announce });
  }

  // "‹ 2/3 ›" if this message has branches beside it.
  branchButtons() {
    const { position, count, before, after } = this.actions.branches(this.message);
    if (count < 2) return [];
    const button = (name, title, leaf) => {
      const node = iconButton(name, title, () => this.actions.show(leaf));
      node.disabled = leaf === null;
      return node;
    };
    return [element("span", { class: "branches", role: "group", "aria-label": t("branches") },
      button("before", t("branchBefore"), before),
      element("span", { text: `${position}/${count}` }),
      button("after", t("branchAfter"), after))];
  }

  removeButton() {
    return iconButton("delete", t("deleteMessage"), () => this.actions.remove(this.message));
  }
}

export class UserView extends MessageView {
  constructor(message, actions) {
    super(message, actions);
    this.node = element("article", { class: "message user" });
    this.draw();
  }

  draw() {
    const { message, actions } = this;
    const files = message.files || [];
    this.node.replaceChildren(
      element("h2", { class: "unseen", text: t("you") }),
      element("div", { class: "bubble" },
        element("div", { class: "said", dir: "auto", text: message.text }),
        ...files.map(({ name, text }) => element("details", { class: "file" },
          element("summary", { text: t("fileShown", { name, n: text.length }) }), element("pre", { tabIndex: 0, text })))),
      element("div", { class: "tools" },
        ...this.branchButtons(),
        this.copyButton(t("copyMessage"), () => message.text),
        iconButton("edit", t("edit"), () => actions.edit(message)),
        this.removeButton()),
      ...(message.label ? [element("div", { class: "label-row" },
        labelView(message.label, actions.heading(message.label.task), this.labelState))] : []),
      ...(message.label?.truncated_tokens > 0
        ? [element("p", { class: "aside", text: t("truncated", { n: message.label.truncated_tokens }) })] : []));
  }
}

export class AnswerView extends MessageView {
  constructor(message, actions) {
    super(message, actions);
    this.status = null;   // a line in place of an answer that has not begun
    this.retryIn = null;  // seconds until the next try
    this.shown = null;    // the text that the body shows
    this.body = element("div", { class: "body" });
    this.reasoning = element("details", { class: "reasoning" },
      element("summary"), element("div", { class: "thought", dir: "auto" }));
    this.node = element("article", { class: "message answer" });
    this.draw();
  }

  get streaming() {
    return this.message.status === "streaming";
  }

  draw() {
    const { message } = this;
    this.node.classList.toggle("streaming", this.streaming && message.text !== "");
    this.node.setAttribute("aria-busy", String(this.streaming));
    this.drawBody();
    this.node.replaceChildren(
      element("h2", { class: "unseen", text: t("model") }),
      this.reasoning,
      this.body,
      ...this.asides(),
      ...(message.status === "error" ? [this.notice()] : []),
      ...(this.streaming ? [] : [this.tools()]));
  }

  drawBody() {
    const { message } = this;
    const thought = message.reasoning || "";
    this.reasoning.hidden = thought === "";
    if (thought) {
      const busy = this.streaming && message.text === "";
      this.reasoning.firstChild.textContent = t(busy ? "reasoningBusy" : "reasoning");
      this.reasoning.lastChild.textContent = thought;
    }
    if (message.text === "") {
      this.shown = null;
      const waiting = this.streaming && !thought
        ? [element("p", { class: "waiting", text: this.status || t("working") })] : [];
      this.body.replaceChildren(...waiting);
      this.body.hidden = waiting.length === 0;
      return;
    }
    this.body.hidden = false;
    this.body.dir = "auto";
    if (this.shown === message.text) return;
    this.shown = message.text;
    this.body.replaceChildren(...render(message.text, (language, code) => this.codeFrame(language, code)));
  }

  // At most once a frame, and not at all while the page is hidden. follow() is called before it and returns what to
  // do after it: scrolling on with a reader who is at the end.
  scheduleBody(follow) {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const after = follow();
      this.node.classList.toggle("streaming", this.streaming && this.message.text !== "");
      this.drawBody();
      after();
    });
  }

  codeFrame(language, code) {
    const frame = element("pre", { tabIndex: 0 }, code);  // long lines scroll; the keyboard must reach them
    return element("div", { class: "code" },
      element("div", { class: "bar" }, element("span", { text: language }),
        this.copyButton(t("copyCode"), () => code.textContent)),
      frame);
  }

  asides() {
    const { message } = this;
    const { done } = message;
    const lines = [];
    if (message.status === "stopped") lines.push(t("stopped"));
    if (message.status === "done" && done?.finish_reason === "length") {
      lines.push(t(message.limit && done.usage?.completion_tokens < message.limit ? "contextFull" : "tooLong"));
    }
    if (done?.truncated_tokens > 0) lines.push(t("replyTruncated", { n: done.truncated_tokens }));
    if (done?.dropped_turns > 0) {
      lines.push(t(done.kept_turns > 0 ? "dropped" : "droppedAll", { n: done.dropped_turns, kept: done.kept_turns }));
    }
    return lines.map((text) => element("p", { class: "aside", text }));
  }

  noticeText() {
    const { error } = this.message;
    return this.retryIn === null ? t(error.kind, { why: error.message }) : t("busyWait", { s: this.retryIn });
  }

  // A second less until the next try. Only the text changes: a button that has the focus keeps it.
  tick() {
    this.retryIn -= 1;
    const text = this.node.querySelector(".notice span");
    if (text) text.textContent = this.noticeText();
  }

  notice() {
    const { message, actions } = this;
    const button = (text, onclick) => element("button", { type: "button", text, onclick });
    return element("div", { class: "notice" }, icon("warning"), element("span", { text: this.noticeText() }),
      button(t(this.retryIn === null ? "retry" : "retryNow"), () => actions.retry(message)),
      ...(this.retryIn === null ? [] : [button(t("cancel"), () => actions.giveUp(message))]));
  }

  tools() {
    const { message, actions } = this;
    const tools = element("div", { class: "tools" }, ...this.branchButtons());
    if (message.text !== "") tools.append(this.copyButton(t("copyReply"), () => message.text));
    if (message.status !== "error" && !message.labelOnly) {
      const again = iconButton("again", t("regenerate"), () => actions.regenerate(message));
      again.classList.add("regenerate");
      tools.append(again);
    }
    tools.append(this.removeButton());
    const cut = message.status === "stopped" || message.done?.finish_reason === "length";
    if (cut && message.text !== "" && actions.isLast(message)) {
      tools.append(element("button", { class: "resume", type: "button", text: t("continueReply"),
        onclick: () => actions.resume(message) }));
    }
    const stats = this.stats();
    if (stats) tools.append(stats);
    return tools;
  }

  stats() {
    const { usage, timings } = this.message.done || {};
    if (!(usage?.completion_tokens > 0)) return null;
    const speed = timings?.tokens_per_second;
    const stats = element("span", { class: "stats", text: t(speed > 0 ? "stats" : "statsTokens", {
      tokens: usage.completion_tokens,
      speed: speed?.toFixed(speed < 100 ? 1 : 0),
      ttft: duration(timings?.ttft_ms),
    }) });
    if (timings) {
      stats.title = t("statsTitle", {
        prompt: usage.prompt_tokens || 0,
        cached: usage.prompt_tokens_details?.cached_tokens || 0,
        queue: duration(timings.queue_ms),
        total: duration(timings.total_ms),
      });
    }
    return stats;
  }
}
