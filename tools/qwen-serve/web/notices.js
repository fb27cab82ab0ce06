// Short messages to the person: a toast with an action, and words for a screen reader.
import { element } from "./dom.js";

const kToastMs = 8000;

const get = (id) => document.getElementById(id);
let timer = null;

export function announce(text) {
  get("announcer").textContent = text;
}

export function toast(text, action, onclick) {
  clearTimeout(timer);
  const box = get("toast");
  const end = () => {
    clearTimeout(timer);
    box.hidden = true;
  };
  box.replaceChildren(element("span", { text }), ...(action ? [element("button", { type: "button", text: action, onclick: () => {
    end();
    onclick();
  } })] : []));
  box.hidden = false;
  timer = setTimeout(end, kToastMs);
}
