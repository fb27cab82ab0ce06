// The server's API: requests, its event stream, and every failure as one ApiError.

// kind: "auth" (401), "busy" (429, 503; retryAfter in seconds), "refused" (other 4xx),
// "failed" (5xx, an error event), "offline" (no answer), "broken" (the stream ended before it was done).
export class ApiError extends Error {
  constructor(kind, message, { status = 0, retryAfter = null } = {}) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const kKeyName = "qwen.key";
let key = read();

function read() {
  try {
    return sessionStorage.getItem(kKeyName) ?? "";
  } catch {
    return "";
  }
}

export function setKey(value) {
  key = value;
  try {
    sessionStorage.setItem(kKeyName, value);
  } catch {
    // Storage that is blocked: the key lives as long as the page.
  }
}

export const hasKey = () => key !== "";

// By the status of an answer, or by the type of an error event, which comes without one.
function kindOf(status, { type }) {
  if (status === 401 || type === "authentication_error") return "auth";
  if (status === 429 || status === 503 || type === "rate_limit_error" || type === "overloaded_error") return "busy";
  return (status >= 400 && status < 500) || type === "invalid_request_error" ? "refused" : "failed";
}

async function errorOf(response) {
  let message = `${response.status} ${response.statusText}`;
  let error = {};
  try {
    error = (await response.json()).error ?? {};
    message = error.message || message;
  } catch {
    // Not the server's own words (a proxy's page, perhaps): the status has to do.
  }
  const after = Number.parseFloat(response.headers.get("Retry-After"));
  return new ApiError(kindOf(response.status, error), message, {
    status: response.status,
    retryAfter: Number.isFinite(after) ? after : null,
  });
}

async function request(path, { method = "GET", body, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("offline", error.message);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

export const getInfo = async () => (await request("/api/info")).json();

// The labels of up to 256 texts, in order: [{label, display, emoji, probability, probabilities, abstained, ...}].
export async function classify(task, texts, signal) {
  const response = await request("/v1/classify", { method: "POST", body: { task, texts }, signal });
  return (await response.json()).results;
}

// How many tokens a text has.
export async function countTokens(text) {
  return (await (await request("/tokenize", { method: "POST", body: { text } })).json()).count;
}

// "ready", "starting" (it answers but accepts no requests) or "gone".
export async function serverState() {
  try {
    return (await fetch("/ready", { cache: "no-store" })).ok ? "ready" : "starting";
  } catch {
    return "gone";
  }
}

// Parses a text/event-stream: yields {event, data} as they become complete.
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = "message";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { event, data: data.join("\n") };
          event = "message";
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        } else if (line.startsWith("event:")) {
          event = line.slice(6).trim();
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// POST /api/analyze. Calls on[event](data) for each event; returns the data of "done". `signal` aborts.
export async function analyze(body, on, signal) {
  const response = await request("/api/analyze", { method: "POST", body, signal });
  try {
    for await (const { event, data } of events(response.body)) {
      const value = JSON.parse(data);
      if (event === "done") return value;
      if (event === "error") {
        const error = value.error || {};
        throw new ApiError(kindOf(0, error), error.message || data);
      }
      on[event]?.(value);
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof ApiError) throw error;
    throw new ApiError("broken", error.message);
  }
  throw new ApiError("broken", "the stream ended early");
}
