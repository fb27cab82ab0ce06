// One turn on the page: what was said, its label, the reply, its tools, and what went wrong.
import { copyButton, element, icon, iconButton } from "./dom.js";
import { duration, labelName, percent, t } from "./i18n.js";
import { render } from "./markdown.js";

export class TurnView {
  // actions: retry(turn, view), regenerate(turn, view), announce(text), heading(task)
  constructor(turn, actions) {
    this.turn = turn;
    this.actions = actions;
    this.last = false;
    this.status = null;   // a line in place of a reply that has not begun
    this.retryIn = null;  // seconds until the next try by itself
    this.labelOpen = false;
    this.freshLabel = false;  // has just come: it fades in, once
    this.node = element("article", { class: "turn" });
    this.body = element("div", { class: "body" });
    this.shown = null;
    this.draw();
  }

  // Everything but the reply's text, whose nodes stay while it streams.
  draw() {
    const { turn } = this;
    const streaming = turn.status === "streaming";
    this.node.classList.toggle("streaming", streaming && turn.reply !== "");
    this.node.setAttribute("aria-busy", String(streaming));
    const user = element("div", { class: "user" },
      element("h2", { class: "unseen", text: t("you") }),
      element("div", { class: "said", dir: "auto", text: turn.user }),
      this.copyButton(t("copyMessage"), () => turn.user));
    this.drawBody();
    this.node.replaceChildren(
      ...(turn.divider ? [element("div", { class: "divider", text: t("expiredDivider") })] : []),
      user,
      ...(turn.label ? [element("div", {}, this.label())] : []),
      element("h2", { class: "unseen", text: t("model") }),
      this.body,
      ...this.asides(),
      ...(turn.status === "error" ? [this.notice()] : []),
      ...(streaming ? [] : [this.tools()]));
  }

  drawBody() {
    const { turn } = this;
    if (turn.reply === "") {
      this.shown = null;
      const waiting = turn.status === "streaming"
        ? [element("p", { class: "waiting", text: this.status ?? t("thinking") })] : [];
      this.body.replaceChildren(...waiting);
      this.body.hidden = waiting.length === 0;
      return;
    }
    this.body.hidden = false;
    this.body.dir = "auto";
    if (this.shown === turn.reply) return;
    this.shown = turn.reply;
    this.body.replaceChildren(...render(turn.reply, (language, code) => this.codeFrame(language, code)));
  }

  // At most once a frame, and not at all while the page is hidden. follow() tells before it where the reader is, and
  // returns what to do after it.
  scheduleBody(follow) {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      const after = follow();
      this.node.classList.toggle("streaming", this.turn.status === "streaming");
      this.drawBody();
      after();
    });
  }

  copyButton(title, text) {
    return copyButton(title, text,
      { copied: t("copied"), failed: t("copyFailed"), announce: this.actions.announce });
  }

  codeFrame(language, code) {
    const frame = element("pre", { tabIndex: 0 }, code);  // long lines scroll; the keyboard must reach them
    return element("div", { class: "code" },
      element("div", { class: "bar" }, element("span", { text: language }),
        this.copyButton(t("copyCode"), () => code.textContent)),
      frame);
  }

  label() {
    const { label } = this.turn;
    const meter = (share, wide) => {
      const bar = element("i");
      bar.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
      return element("span", { class: wide ? "meter wide" : "meter", "aria-hidden": "true" }, bar);
    };
    const name = label.abstained ? t("unsure") : labelName(label.display ?? label.label);
    const summary = element("summary", {},
      element("span", { class: "emoji", text: label.abstained ? "🤔" : label.emoji || "🏷️", "aria-hidden": "true" }),
      element("span", { class: "heading", text: this.actions.heading(label.task) + t("colon") }),
      element("span", { class: "name", text: name }),
      meter(label.probability),
      element("span", { class: "share", text: percent(label.probability) }));
    const rows = Object.entries(label.probabilities ?? {}).sort((a, b) => b[1] - a[1]);
    const details = element("details", { class: this.freshLabel ? "label fresh" : "label", open: this.labelOpen }, summary,
      element("table", { "aria-label": t("allShares") },
        element("tbody", {}, ...rows.map(([text, share]) =>
          element("tr", {}, element("th", { scope: "row", text: labelName(text) }),
            element("td", {}, meter(share, true)), element("td", { text: percent(share) }))))),
      ...(label.ms >= 0 ? [element("p", { text: t("labelTime", { ms: duration(label.ms) }) })] : []));
    this.freshLabel = false;
    details.addEventListener("toggle", () => { this.labelOpen = details.open; });
    return details;
  }

  asides() {
    const { turn } = this;
    const lines = [];
    const reason = turn.done?.finish_reason;
    if (turn.status === "stopped") lines.push(t("stopped"));
    if (turn.status === "done" && reason === "length") {
      const { usage } = turn.done;
      lines.push(t(turn.limit && usage?.completion_tokens < turn.limit ? "contextFull" : "tooLong"));
    }
    if (turn.done?.dropped_turns > 0) lines.push(t("dropped", { n: turn.done.dropped_turns }));
    if (turn.status === "done" && turn.history === false) lines.push(t("noHistory"));
    return lines.map((text) => element("p", { class: "aside", text }));
  }

  noticeText() {
    const { error } = this.turn;
    return this.retryIn === null ? t(error.kind, { why: error.message }) : t("busyWait", { s: this.retryIn });
  }

  // A second less until the next try. Only the text changes: a button that has the focus keeps it.
  tick() {
    this.retryIn -= 1;
    this.node.querySelector(".notice span").textContent = this.noticeText();
  }

  notice() {
    const children = [icon("warning"), element("span", { text: this.noticeText() })];
    children.push(element("button", {
      type: "button",
      text: t(this.retryIn === null ? "retry" : "retryNow"),
      onclick: () => this.actions.retry(this.turn, this),
    }));
    if (this.retryIn !== null) {
      children.push(element("button", { type: "button", text: t("cancel"), onclick: () => this.actions.giveUp(this) }));
    }
    return element("div", { class: "notice" }, ...children);
  }

  tools() {
    const { turn } = this;
    const tools = element("div", { class: "tools" });
    if (turn.reply !== "") tools.append(this.copyButton(t("copyReply"), () => turn.reply));
    if (this.last && turn.status !== "error" && !turn.labelOnly) {
      const again = iconButton("again", t("regenerate"), () => this.actions.regenerate(turn, this));
      again.classList.add("regenerate");
      tools.append(again);
    }
    const stats = this.stats();
    if (stats) tools.append(stats);
    return tools;
  }

  stats() {
    const { usage, timings } = this.turn.done ?? {};
    if (!(usage?.completion_tokens > 0)) return null;
    const text = t(timings?.tokens_per_second > 0 ? "stats" : "statsTokens", {
      tokens: usage.completion_tokens,
      speed: timings?.tokens_per_second?.toFixed(timings.tokens_per_second < 100 ? 1 : 0),
      ttft: duration(timings?.ttft_ms),
    });
    const stats = element("span", { class: "stats", text });
    if (usage && timings) {
      stats.title = t("statsTitle", {
        prompt: usage.prompt_tokens ?? 0,
        cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
        queue: duration(timings.queue_ms),
        total: duration(timings.total_ms),
      });
    }
    return stats;
  }
}
