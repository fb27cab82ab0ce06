// A stand-in for qwen-serve that the page's tests can make say anything: hostile replies, queues, breaks. It has the
// real page and the real headers, and the contract of docs/server.md; what is answered, a test's own script says.
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

const kTypes = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml" };

export const kInfo = {
  name: "qwen-serve", version: "0.0.0", model: "stand-in-0.5b", context: 2048, parallel: 8, auth: false,
  tasks: [
    { name: "sentiment", kind: "classify", labels: [{ text: "正面", display: "正面", emoji: "😄" }, { text: "负面", display: "负面", emoji: "😢" }] },
    { name: "intent", kind: "classify", heading: "LLM 意图识别", labels: [] },
    { name: "chat", kind: "generate", labels: [] }, { name: "summary", kind: "generate", labels: [] },
  ],
  defaults: { task: "sentiment", reply: "chat", temperature: 0.7, top_p: 0.9, max_tokens: 128 },
  limits: { body_bytes: 1048576, prompt_tokens: 2048 },
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// script(body, answer): answer has the methods below. `policy` is the page's Content-Security-Policy.
export async function startStandIn({ pageDir, libraryDir, policy, port = 0 }) {
  const state = { script: defaultScript, sessions: new Map(), requests: [], key: null, ready: true, aborted: 0, info: kInfo };
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

  async function analyze(request, response) {
    let text = "";
    for await (const part of request) text += part;
    const body = JSON.parse(text);
    state.requests.push(body);
    if (body.session && !state.sessions.has(body.session)) return fail(response, 404, "session_not_found", "no such session");
    const id = body.session ?? `s-${Math.random().toString(36).slice(2)}`;
    if (!body.session) state.sessions.set(id, []);
    const turn = { user: body.text, assistant: "" };
    const began = Date.now();
    let open = false;
    let tokens = 0;
    let closed = false;
    response.on("close", () => { if (!response.writableEnded) { closed = true; state.aborted += 1; } });
    const head = () => {
      if (open) return;
      open = true;
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Session-Id": id });
    };
    const event = (name, value) => {
      head();
      response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
    };
    let kept = body.history === false;
    const keep = () => {
      if (kept) return;
      kept = true;
      const turns = state.sessions.get(id);
      if (body.regenerate && turns.at(-1)?.user === body.text) turns.pop();
      turns.push(turn);
    };
    const answer = {
      get closed() { return closed; },
      pause,
      queued: (position) => event("queued", { position }),
      sentiment: (label = "正面", probability = 0.973) => {
        if (body.task === null) return;
        turn.sentiment = { task: body.task ?? "sentiment", label, display: label, emoji: label === "正面" ? "😄" : "😢", probability,
          probabilities: { [label]: probability, [label === "正面" ? "负面" : "正面"]: 1 - probability }, abstained: false, ms: 41 };
        event("sentiment", turn.sentiment);
      },
      delta: (text) => { tokens += 1; turn.assistant += text; event("delta", { text }); },
      // Word by word, `ms` apart; stops when the client has gone.
      say: async (text, ms = 5) => {
        for (const piece of text.match(/\s*\S+|\s+$/g) ?? []) {
          if (closed) break;
          answer.delta(piece);
          await pause(ms);
        }
      },
      done: (finish = "stop", more = {}) => {
        keep();
        const total = Date.now() - began;
        event("done", { session: id, finish_reason: finish,
          usage: { prompt_tokens: 31, completion_tokens: tokens, total_tokens: 31 + tokens, prompt_tokens_details: { cached_tokens: 24 } },
          timings: { queue_ms: 0.2, ttft_ms: 83, total_ms: total, tokens_per_second: tokens / (total / 1000) }, dropped_turns: 0, ...more });
        response.end();
      },
      error: (message, code = "server_error") => { event("error", { error: { message, type: "error", param: null, code } }); response.end(); },
      fail: (status, code, message, headers) => fail(response, status, code, message, headers),
      drop: () => { head(); response.destroy(); },
    };
    await state.script(body, answer);
    if (closed) keep();
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
    const session = /^\/api\/sessions\/([^/]+)$/.exec(url)?.[1];
    if (session && state.sessions.has(session)) {
      if (request.method === "DELETE") { state.sessions.delete(session); response.writeHead(204); return response.end(); }
      return json(response, 200, { id: session, turns: state.sessions.get(session), expires_in_s: 180 });
    }
    return fail(response, 404, session ? "session_not_found" : "not_found", "not found");
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
