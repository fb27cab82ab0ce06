// A stand-in for qwen-serve that the page's tests can make say anything: hostile replies, queues, breaks. It has the
// real page and the real headers, and the contract of docs/server.md; what is answered, a test's own script says.
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

const kTypes = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2" };

export const kInfo = {
  name: "qwen-serve", version: "0.0.0", model: "stand-in-0.5b", context: 2048, parallel: 8, auth: false,
  tasks: [
    { name: "sentiment", kind: "classify", labels: [{ text: "正面", display: "正面", emoji: "😄" }, { text: "负面", display: "负面", emoji: "😢" }] },
    { name: "intent", kind: "classify", heading: "LLM 意图识别", labels: [{ text: "咨询", display: "咨询" }, { text: "投诉", display: "投诉" }] },
    { name: "chat", kind: "generate", labels: [] }, { name: "summary", kind: "generate", labels: [] },
  ],
  defaults: { task: "sentiment", reply: "chat", temperature: 0.7, top_p: 0.9, max_tokens: 128 },
  limits: { body_bytes: 1048576, prompt_tokens: 2048 },
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// script(body, answer): answer has the methods below. `policy` is the page's Content-Security-Policy.
export async function startStandIn({ pageDir, libraryDir, policy, port = 0 }) {
  const state = { script: defaultScript, classify: defaultLabel, requests: [], classified: [], key: null, ready: true, aborted: 0, info: kInfo };
  const json = (response, status, value, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  };
  const fail = (response, status, code, message, headers) =>
    json(response, status, { error: { message, type: "error", param: null, code } }, headers);

  async function file(response, name) {
    const where = name.startsWith("lib/") ? path.join(libraryDir, name.slice(4)) : path.join(pageDir, name);
    try {
      const bytes = await readFile(where);
      response.writeHead(200, { "Content-Type": kTypes[path.extname(where)] ?? "text/plain",
        "Content-Security-Policy": policy, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff" });
      response.end(bytes);
    } catch {
      fail(response, 404, "not_found", `no file ${name}`);
    }
  }

  async function bodyOf(request) {
    let text = "";
    for await (const part of request) text += part;
    return JSON.parse(text);
  }

  async function classify(request, response) {
    const body = await bodyOf(request);
    state.classified.push(body);
    let refused = null;
    const results = body.texts.map((text) => {
      const found = state.classify(text);
      if (found.fail) refused = found;
      return found;
    });
    if (refused) return fail(response, ...refused.fail);
    return json(response, 200, { results });
  }

  async function analyze(request, response) {
    const body = await bodyOf(request);
    state.requests.push(body);
    const began = Date.now();
    let open = false;
    let tokens = 0;
    let closed = false;
    response.on("close", () => { if (!response.writableEnded) { closed = true; state.aborted += 1; } });
    const head = () => {
      if (open) return;
      open = true;
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    };
    const event = (name, value) => {
      head();
      response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
    };
    const answer = {
      get closed() { return closed; },
      pause,
      queued: (position) => event("queued", { position }),
      sentiment: (label = "正面", probability = 0.973, more = {}) => {
        if (body.task === null) return;
        event("sentiment", { task: body.task ?? "sentiment", label, display: label, emoji: label === "正面" ? "😄" : "😢", probability,
          probabilities: { [label]: probability, [label === "正面" ? "负面" : "正面"]: 1 - probability }, abstained: false,
          truncated_tokens: 0, ms: 41, ...more });
      },
      delta: (text) => { tokens += 1; event("delta", { text }); },
      reason: (reasoning) => event("delta", { reasoning }),
      // Word by word, `ms` apart; stops when the client has gone.
      say: async (text, ms = 5) => {
        for (const piece of text.match(/\s*\S+|\s+$/g) ?? []) {
          if (closed) break;
          answer.delta(piece);
          await pause(ms);
        }
      },
      done: (finish = "stop", more = {}) => {
        const total = Date.now() - began;
        event("done", { finish_reason: finish,
          usage: { prompt_tokens: 31, completion_tokens: tokens, total_tokens: 31 + tokens, prompt_tokens_details: { cached_tokens: 24 } },
          timings: { queue_ms: 0.2, ttft_ms: 83, total_ms: total, tokens_per_second: tokens / (total / 1000) }, dropped_turns: 0, ...more });
        response.end();
      },
      error: (message, code = "server_error") => { event("error", { error: { message, type: "error", param: null, code } }); response.end(); },
      fail: (status, code, message, headers) => fail(response, status, code, message, headers),
      drop: () => { head(); response.destroy(); },
    };
    await state.script(body, answer);
  }

  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost").pathname;
    if (url === "/") return file(response, "index.html");
    if (url.startsWith("/web/")) return file(response, url.slice(5));
    if (url === "/ready") return state.ready ? json(response, 200, { status: "ready" }) : fail(response, 503, "starting", "starting");
    if (state.key && request.headers.authorization !== `Bearer ${state.key}`) return fail(response, 401, "invalid_api_key", "wrong or missing API key");
    if (url.startsWith("/api/") && !state.ready) return fail(response, 503, "starting", "starting", { "Retry-After": "1" });
    if (url === "/api/info") return json(response, 200, state.info);
    if (url === "/api/analyze") return analyze(request, response);
    if (url === "/v1/classify") return classify(request, response);
    if (url === "/tokenize") {
      const { text } = await bodyOf(request);
      return json(response, 200, { tokens: [], count: Math.ceil(text.length / 2) });
    }
    return fail(response, 404, "not_found", "not found");
  });
  const listen = (where) => new Promise((resolve, reject) => server.once("error", reject).listen(where, "127.0.0.1", resolve));
  await listen(port);
  const at = server.address().port;
  return Object.assign(state, {
    url: `http://127.0.0.1:${at}`,
    // As a server that is killed, and one that comes back.
    stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
    start: () => listen(at),
  });
}

async function defaultScript(body, answer) {
  answer.sentiment();
  await answer.say("That sounds **good**. I am happy for you!");
  answer.done();
}

// A label of /v1/classify: by a word in the text. {fail: [status, code, message, headers]} refuses the request.
export function defaultLabel(text) {
  const label = /bad|坏|差/.test(text) ? "负面" : "正面";
  const probability = /hm|吧/.test(text) ? 0.55 : 0.97;
  return { label, display: label, emoji: label === "正面" ? "😄" : "😢", probability, abstained: probability < 0.6, truncated_tokens: 0,
    probabilities: { [label]: probability, [label === "正面" ? "负面" : "正面"]: 1 - probability } };
}
