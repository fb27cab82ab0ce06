// The server comes and goes: its key, what it is, and a banner while it does not answer.
import { getInfo, serverState } from "./api.js";
import { askKey } from "./dialogs.js";
import { t } from "./i18n.js";
import { announce } from "./notices.js";
import { state } from "./state.js";

const kAskAgainMs = 1500;

const get = (id) => document.getElementById(id);
let reconnecting = false;
let onInfo = () => {};

// Runs call(); if the server wants a key, asks for it and runs it again.
export async function withKey(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.kind !== "auth" || !(await askKey())) throw error;
    }
  }
}

async function loadInfo() {
  state.info = await withKey(getInfo);
  onInfo();
}

async function begin() {
  try {
    await loadInfo();
  } catch (error) {
    if (error.kind === "offline" || error.status === 503) reconnect();
    else if (error.kind !== "auth") throw error;
  }
}

// Asks the server what it is; changed() is called each time that it has answered.
export function connect(changed) {
  onInfo = changed;
  return begin();
}

export async function reconnect() {
  if (reconnecting) return;
  reconnecting = true;
  let found = await serverState();
  if (found === "ready") {
    reconnecting = false;
    if (!state.info) setTimeout(begin, kAskAgainMs);
    return;
  }
  const banner = get("banner");
  banner.hidden = false;
  for (; found !== "ready"; found = await serverState()) {
    banner.dataset.i18n = found === "gone" ? "offlineBanner" : "starting";
    banner.textContent = t(banner.dataset.i18n);
    await new Promise((resolve) => setTimeout(resolve, kAskAgainMs));
  }
  banner.hidden = true;
  reconnecting = false;
  announce(t("onlineAgain"));
  await begin();
}
