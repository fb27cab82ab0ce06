// Conversations as files: export of one as Markdown or JSON, of all as JSON, and import.
import { heading } from "./chat_view.js";
import { exportJson, importJson, pathTo, titleOf } from "./conversation.js";
import { readList, showSidebar } from "./conversations.js";
import { openDialog } from "./dom.js";
import { download, fileName, toMarkdown } from "./files.js";
import { t } from "./i18n.js";
import { toast } from "./notices.js";
import { state } from "./state.js";
import { loadAllMessages, loadMessages, saveWhole, settings } from "./store.js";

export async function exportConversation(conversation) {
  const format = await openDialog(document.getElementById("export-dialog"));
  if (format !== "markdown" && format !== "json") return;
  const messages = conversation === state.current ? state.messages : await loadMessages(conversation.id);
  const title = titleOf(conversation, state.firstTexts.get(conversation.id));
  if (format === "json") {
    download(`${fileName(title)}.json`, "application/json", exportJson([{ conversation, messages }], state.info));
  } else {
    download(`${fileName(title)}.md`, "text/markdown", toMarkdown(title, pathTo(messages, conversation.leaf), heading));
  }
}

export async function exportAll() {
  const all = await loadAllMessages();
  const list = state.conversations.map((conversation) =>
    ({ conversation, messages: all.filter((one) => one.conversation === conversation.id) }));
  download(`qwen-${new Date().toISOString().slice(0, 10)}.json`, "application/json", exportJson(list, state.info));
}

export async function importFile(file) {
  try {
    const list = importJson(await file.text(), settings.conversation);
    await saveWhole(list);
    await readList();
    showSidebar();
    toast(t("imported", { n: list.length }));
    if (list.length === 1) location.hash = `#c=${list[0].conversation.id}`;
  } catch (error) {
    toast(t("importFailed", { name: file.name, why: error.message }));
  }
}
