// Small helpers to build nodes; text goes in as text, never as HTML.
export function element(tag, { class: className, text, ...properties } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const kSvg = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(kSvg, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(kSvg, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function iconButton(name, title, onclick) {
  const button = element("button", { class: "icon small", type: "button", title, onclick }, icon(name));
  button.setAttribute("aria-label", title);
  return button;
}

// A button that copies what text() gives, and says for a moment that it did. `announce` tells a screen reader.
export function copyButton(title, text, { copied, failed, announce }) {
  const button = iconButton("copy", title, async () => {
    const done = await copy(text());
    announce(done ? copied : failed);
    button.replaceChildren(icon(done ? "check" : "warning"));
    button.title = done ? copied : failed;
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.title = title;
    }, 1600);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http from another machine has no clipboard API: the old way.
  }
  const area = element("textarea", { class: "unseen", value: text, readOnly: true });
  document.body.append(area);
  const focused = document.activeElement;
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

// A dialog as the browser has it, or, in browsers without, as an ordinary box over the page. Resolves to its
// returnValue when it closes.
export function openDialog(dialog) {
  dialog.returnValue = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    if (dialog.open) return;
    if (dialog.showModal) dialog.showModal();
    else dialog.setAttribute("open", "");
  });
}

export function closeDialog(dialog, value = "") {
  if (dialog.close) {
    dialog.close(value);
    return;
  }
  dialog.removeAttribute("open");
  dialog.returnValue = value;
  dialog.dispatchEvent(new Event("close"));
}

for (const dialog of document.querySelectorAll("dialog")) {
  // A click beside a dialog closes it.
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog) return;
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top &&
                   event.clientY <= box.bottom;
    if (!inside) closeDialog(dialog);
  });
  if (!dialog.close) {
    dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      closeDialog(dialog, event.submitter?.value || "");
    });
  }
}
