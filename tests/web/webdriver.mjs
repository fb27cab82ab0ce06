// Firefox by Marionette and WebKitGTK by WebDriver: the two speak the same commands, one over a socket and one over
// HTTP. {command(name, parameters), quit()}
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { pause } from "./server.mjs";

export const kFirefox = process.env.QWEN_FIREFOX ?? "/usr/bin/firefox-esr";
export const kWebKitDriver = process.env.QWEN_WEBKIT_DRIVER ?? "/usr/bin/WebKitWebDriver";
const kStartMs = 60000;

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Starts a program; stop() ends it and waits until it has gone.
function start(program, options, env, stdio = "ignore") {
  const child = spawn(program, options, { env: { ...process.env, ...env }, stdio });
  const exited = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  return { child, stop: () => { child.kill("SIGTERM"); return exited; } };
}

async function untilStarted(what, child, check) {
  for (const end = Date.now() + kStartMs; Date.now() < end; await pause(100)) {
    if (child.exitCode !== null) throw new Error(`${what} ended with ${child.exitCode}`);
    const found = await check().catch(() => null);
    if (found) return found;
  }
  throw new Error(`${what} did not start within ${kStartMs / 1000} s`);
}

// ---- Firefox: messages "LENGTH:[0, id, name, parameters]", answers "LENGTH:[1, id, error, result]"

function connectTo(port) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1");
    let rest = Buffer.alloc(0);
    const waiting = new Map();
    let id = 0;
    socket.once("error", reject);
    socket.on("close", () => waiting.forEach((one) => one.reject(new Error("Firefox has gone"))));
    const command = (name, parameters) => new Promise((done, failed) => {
      const text = JSON.stringify([0, ++id, `WebDriver:${name}`, parameters]);
      waiting.set(id, { resolve: done, reject: failed });
      socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
    const take = (message) => {
      if (!Array.isArray(message)) return resolve({ socket, command });  // the greeting
      const [, answered, error, result] = message;
      const one = waiting.get(answered);
      waiting.delete(answered);
      if (error) one.reject(new Error(`${error.error}: ${error.message}`));
      else one.resolve(result && Object.keys(result).length === 1 && "value" in result ? result.value : result);
    };
    socket.on("data", (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (;;) {
        const colon = rest.indexOf(":");
        const length = Number(rest.subarray(0, colon));
        if (colon < 0 || rest.length < colon + 1 + length) return;
        const message = JSON.parse(rest.subarray(colon + 1, colon + 1 + length).toString());
        rest = rest.subarray(colon + 1 + length);
        take(message);
      }
    });
  });
}

export async function startFirefox() {
  const profile = mkdtempSync(path.join(os.tmpdir(), "qwen-firefox-"));
  const port = await freePort();
  writeFileSync(path.join(profile, "user.js"), [
    ["marionette.port", port], ["browser.shell.checkDefaultBrowser", false], ["intl.accept_languages", "en-US"],
    ["datareporting.policy.dataSubmissionEnabled", false], ["app.update.enabled", false],
    ["browser.download.folderList", 2], ["browser.download.dir", profile],
  ].map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`).join(""));
  const program = start(kFirefox, ["--headless", "--no-remote", "--marionette", "--profile", profile], { HOME: profile });
  const stop = async () => {
    await program.stop();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { socket, command } = await untilStarted("Firefox", program.child, () => connectTo(port));
    const { capabilities } = await command("NewSession", {});
    return {
      name: `Firefox ${capabilities.browserVersion}`,
      command,
      quit: async () => { socket.destroy(); await stop(); },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

// ---- WebKitGTK, on a display of its own

const kPaths = {
  Navigate: ["POST", "url"], Refresh: ["POST", "refresh"], ExecuteScript: ["POST", "execute/sync"], FindElement: ["POST", "element"],
  ElementClick: ["POST", "element/{id}/click"], ElementSendKeys: ["POST", "element/{id}/value"], TakeScreenshot: ["GET", "screenshot"],
  SetWindowRect: ["POST", "window/rect"],
};

// A display of its own, {name, stop()}: MiniBrowser has no headless mode.
async function startDisplay() {
  const program = start("/usr/bin/Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], {},
    ["ignore", "ignore", "ignore", "pipe"]);
  let number = "";
  program.child.stdio[3].on("data", (bytes) => { number += bytes; });
  try {
    await untilStarted("Xvfb", program.child, async () => number.endsWith("\n"));
  } catch (error) {
    await program.stop();
    throw error;
  }
  return { name: `:${number.trim()}`, stop: program.stop };
}

export async function startWebKit() {
  const home = mkdtempSync(path.join(os.tmpdir(), "qwen-webkit-"));
  const port = await freePort();
  const display = await startDisplay();
  const program = start(kWebKitDriver, [`--port=${port}`], { DISPLAY: display.name, HOME: home, XDG_DATA_HOME: home,
    XDG_CACHE_HOME: home, XDG_RUNTIME_DIR: home, LANG: "C.UTF-8", GDK_BACKEND: "x11", WEBKIT_DISABLE_COMPOSITING_MODE: "1" });
  const stop = async () => {
    await program.stop();
    await display.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  };
  const http = async (method, at, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${at}`, { method, body: body && JSON.stringify(body) });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  try {
    await untilStarted("WebKitWebDriver", program.child, () => http("GET", "/status"));
    const { sessionId, capabilities } = await http("POST", "/session", { capabilities: { alwaysMatch: {} } });
    return {
      name: `WebKitGTK ${capabilities.browserVersion}`,
      command: (name, { id, ...body }) => {
        const [method, at] = kPaths[name];
        return http(method, `/session/${sessionId}/${at.replace("{id}", id)}`, method === "POST" ? body : undefined);
      },
      quit: async () => {
        await http("DELETE", `/session/${sessionId}`).catch(() => {});
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

// ---- A page in either of them

const kElement = "element-6066-11e4-a52e-4f735466cecf";  // the W3C's name for an element's id

export function pageOf({ name, command, quit }) {
  const run = (script, ...args) => command("ExecuteScript", { script: `return (${script}).apply(null, arguments)`, args });
  const find = async (css) => (await command("FindElement", { using: "css selector", value: css }))[kElement] ??
    Promise.reject(new Error(`no ${css}`));
  return {
    name,
    quit,
    run,
    open: (url) => command("Navigate", { url }),
    reload: () => command("Refresh", {}),
    size: (width, height) => command("SetWindowRect", { x: 0, y: 0, width, height }),
    click: async (css) => command("ElementClick", { id: await find(css) }),
    // As a person at the keyboard; \ue007 is Enter.
    type: async (css, text) => command("ElementSendKeys", { id: await find(css), text }),
    text: (css) => run(`(css) => document.querySelector(css).textContent`, css),
    screenshot: async () => {
      const shot = await command("TakeScreenshot", { full: false });
      return Buffer.from(shot.value ?? shot, "base64");
    },
    until: async (what, script, ...args) => {
      for (const end = Date.now() + kStartMs; Date.now() < end; await pause(100)) if (await run(script, ...args)) return;
      throw new Error(`${name}: not within ${kStartMs / 1000} s: ${what}`);
    },
  };
}
