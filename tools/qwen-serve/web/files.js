// Files in and out: text in any encoding, downloads, conversations as Markdown.
import { percent, t } from "./i18n.js";
import { shownEmoji, shownName } from "./label_view.js";

export const kEncodings = ["utf-8", "gb18030", "utf-16le", "utf-16be"];

// The first bytes of .xlsx (a ZIP file) and of .xls.
const kWorkbooks = [[0x50, 0x4b, 3, 4], [0xd0, 0xcf, 0x11, 0xe0]];

// By its byte order mark, else UTF-16 if every other byte is zero, else UTF-8 if it is valid, else GB18030 (what Excel
// writes in Chinese).
function findEncoding(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  const sample = bytes.subarray(0, 1000);
  const zeros = [0, 0];
  sample.forEach((byte, at) => { if (byte === 0) zeros[at % 2] += 1; });
  if (zeros[1] > sample.length / 4) return "utf-16le";
  if (zeros[0] > sample.length / 4) return "utf-16be";
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return "utf-8";
  } catch {
    return "gb18030";
  }
}

// {text, encoding} of a file's bytes; `encoding` null finds it. Throws Error("workbook") for a file of Excel, Error("notText")
// for other bytes that are not text: the names of messages.
export function decode(bytes, encoding = null) {
  if (kWorkbooks.some((start) => start.every((byte, at) => bytes[at] === byte))) throw new Error("workbook");
  const from = encoding || findEncoding(bytes);
  let text;
  try {
    text = new TextDecoder(from, { fatal: true }).decode(bytes);
  } catch {
    throw new Error("notText");
  }
  if (/[\0\x01-\x08\x0e-\x1a]/.test(text.slice(0, 10000))) throw new Error("notText");
  return { text, encoding: from };
}

// Resolves to {name, text, encoding}; rejects as decode() throws.
export async function readTextFile(file) {
  return { name: file.name, ...decode(new Uint8Array(await file.arrayBuffer())) };
}

export function pickFile(accept, onfile) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = accept;
  input.addEventListener("change", () => input.files[0] && onfile(input.files[0]));
  input.click();
}

export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// A file name made of a title: no character that a file system refuses.
export const fileName = (title) => title.replace(/[\\/:*?"<>|\s\x00-\x1f]+/g, "-").slice(0, 60) || "conversation";

const quoted = (text) => text.split("\n").map((line) => `> ${line}`).join("\n");

// The branch that is shown, to read.
export function toMarkdown(title, path, heading) {
  const parts = [`# ${title || t("untitled")}`];
  for (const message of path) {
    if (message.role === "user") {
      parts.push(`## ${t("you")}`, quoted(message.text));
      for (const { name, text } of message.files || []) parts.push(`**${name}**`, `\`\`\`\`\n${text}\n\`\`\`\``);
      const { label } = message;
      if (label) {
        parts.push(`**${heading(label.task)}${t("colon")}** ${shownEmoji(label)} ${shownName(label)} (${percent(label.probability)})`);
      }
    } else {
      parts.push(`## ${t("model")}`, message.text);
      if (message.status === "stopped") parts.push(`*${t("stopped")}*`);
    }
  }
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

