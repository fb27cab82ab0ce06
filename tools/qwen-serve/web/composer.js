// The message box: its text, which survives a reload, the files attached to it, and what was said before.
import { countTokens } from "./api.js";
import { focusInput } from "./chat_view.js";
import { withKey } from "./connection.js";
import { element, iconButton } from "./dom.js";
import { pickFile, readTextFile } from "./files.js";
import { t } from "./i18n.js";
import { toast } from "./notices.js";
import { busyHere, state } from "./state.js";
import { loadDraft, saveDraft } from "./store.js";

const get = (id) => document.getElementById(id);
const input = get("input");

let files = [];     // attached to the next message: {name, text, tokens, most, tooLong}
let recalled = -1;  // how far back ArrowUp has gone

export function showComposer() {
  const busy = busyHere();
  get("send").disabled = (input.value.trim() === "" && files.length === 0) || files.some((file) => file.tooLong);
  get("send").hidden = busy;
  get("stop").hidden = !busy;
  get("files").replaceChildren(...files.map((file, at) => element("span", { class: file.tooLong ? "chip bad" : "chip" },
    element("span", { text: file.tooLong ? t("fileTooLong", file) : file.tokens ? t("fileTokens", file) : file.name }),
    iconButton("close", t("removeFile", file), () => {
      files.splice(at, 1);
      showComposer();
      focusInput();
    }))));
  get("files").hidden = files.length === 0;
}

export function growInput() {
  input.style.setProperty("height", "auto");
  input.style.setProperty("height", `${input.scrollHeight}px`);
}

// The files of the next message, which has none then.
export function takeFiles() {
  const taken = files.map(({ name, text }) => ({ name, text }));
  files = [];
  recalled = -1;
  return taken;
}

export const hasFiles = () => files.length > 0;

export function resetRecall() {
  recalled = -1;
}

async function attach(file) {
  let read;
  try {
    read = await readTextFile(file);
  } catch (error) {
    toast(t(error.message, { name: file.name }));
    return;
  }
  const entry = { name: read.name, text: read.text, tokens: null, tooLong: false };
  files.push(entry);
  showComposer();
  try {
    entry.tokens = await withKey(() => countTokens(read.text));
  } catch {
    entry.tokens = null;  // if it is too long, the server refuses the message
  }
  entry.most = state.info?.limits?.prompt_tokens || state.info?.context || Infinity;
  entry.tooLong = entry.tokens !== null && entry.tokens > entry.most;
  showComposer();
}

// What was said before in this conversation, the newest first.
function recall(step) {
  const said = state.path.filter((message) => message.role === "user").map((message) => message.text).reverse();
  const next = recalled + step;
  if (next < -1 || next >= said.length) return;
  recalled = next;
  input.value = next < 0 ? "" : said[next];
  growInput();
  showComposer();
}

// Sets the events up; send(text) is called for a message.
export function startComposer(send) {
  const submit = () => {
    if (busyHere() || get("send").disabled) return;
    const text = input.value;
    input.value = "";
    saveDraft("");
    growInput();
    send(text);
  };
  get("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  input.addEventListener("input", () => {
    recalled = -1;
    saveDraft(input.value);
    growInput();
    showComposer();
  });
  input.addEventListener("keydown", (event) => {
    // While an input method composes, its keys are its own. Safari marks them by 229 only.
    if (event.isComposing || event.keyCode === 229) return;
    const empty = input.value === "" || recalled >= 0;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && empty && !event.shiftKey) {
      event.preventDefault();
      recall(event.key === "ArrowUp" ? 1 : -1);
    }
  });
  get("attach").addEventListener("click", () => pickFile("", attach));
  get("chat").addEventListener("dragover", (event) => event.preventDefault());
  get("chat").addEventListener("drop", (event) => {
    event.preventDefault();
    for (const file of event.dataTransfer.files) attach(file);
  });
  input.value = loadDraft();
  growInput();
}
