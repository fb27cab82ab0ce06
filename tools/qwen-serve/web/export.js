// The conversation as a file: made from what is on the page, so it works when the server is gone, too.
import { labelName, percent, t } from "./i18n.js";

function fence(text) {
  return text.split("\n").map((line) => `> ${line}`).join("\n");
}

export function toMarkdown(turns, heading) {
  const parts = [`# ${t("exportTitle")}`, new Date().toISOString()];
  for (const turn of turns) {
    parts.push(`## ${t("you")}`, fence(turn.user), `## ${t("model")}`);
    if (turn.label) {
      const { label, display, emoji, probability, abstained, task } = turn.label;
      const name = abstained ? t("unsure") : labelName(display ?? label);
      parts.push(`**${heading(task)}:** ${emoji ?? ""} ${name} (${percent(probability)})`);
    }
    if (turn.reply) parts.push(turn.reply);
    if (turn.status === "stopped") parts.push(`*${t("stopped")}*`);
  }
  return `${parts.join("\n\n")}\n`;
}

export function toJson(turns, info) {
  return `${JSON.stringify({
    server: info ? { name: info.name, version: info.version, model: info.model } : null,
    exported: new Date().toISOString(),
    turns: turns.map(({ user, reply, label, status, done }) => ({
      user,
      assistant: reply,
      sentiment: label,
      status,
      finish_reason: done?.finish_reason ?? null,
      usage: done?.usage ?? null,
      timings: done?.timings ?? null,
    })),
  }, null, 2)}\n`;
}

export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
