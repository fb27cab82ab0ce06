// qwen-serve itself, on the bundled model and a free port.
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";

const kProgram = path.join(process.env.QWEN_BIN_DIR, "tools/qwen-serve");

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Starts it and waits for its ready line. {url, process, stop(), metric(name)}
export async function startServer(options = [], env = {}) {
  const process_ = spawn(kProgram, options.includes("--port") ? options : ["--port", "0", ...options], {
    env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  process_.stderr.on("data", (bytes) => { said += bytes; });
  const exited = new Promise((resolve) => process_.once("exit", (code, signal) => resolve(code ?? signal)));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: process_.stdout }).on("line", (line) => {
      const match = /ready: (http:\/\/\S+)/.exec(line);
      if (match) resolve(match[1].replace(/\/$/, ""));
    });
    exited.then((status) => reject(new Error(`qwen-serve ended with ${status} before it was ready: ${said}`)));
  });
  return {
    url,
    process: process_,
    port: Number(new URL(url).port),
    // SIGTERM drains; gives the exit status.
    stop: () => {
      process_.kill("SIGTERM");
      return exited;
    },
    kill: () => {
      process_.kill("SIGKILL");
      return exited;
    },
    // One sample of /metrics: the first line that starts so.
    metric: async (name) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = text.split("\n").find((one) => one.startsWith(name) && !one.startsWith("#"));
      return line === undefined ? undefined : Number(line.split(" ").at(-1));
    },
  };
}

// Until check() is true; an error after `ms`.
export async function eventually(what, check, ms = 5000) {
  for (const end = Date.now() + ms; Date.now() < end; await pause(20)) if (await check()) return;
  throw new Error(`not within ${ms} ms: ${what}`);
}
