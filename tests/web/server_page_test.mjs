// The page and the real server, on the bundled model.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeClean, kPolicy, launch, openPage, send, settled, shot } from "./browser.mjs";
import { eventually, startServer } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), startServer()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const lastAnswer = "#messages .answer:last-of-type";
const answers = (page, count) => page.waitForFunction((n) => document.querySelectorAll("#messages .answer").length === n, count);
const bodies = (page) => page.locator("#messages .answer .body").allTextContents();

// Sends a message, and waits for the answer's end.
async function ask(page, text) {
  const before = await page.locator("#messages .answer").count();
  await send(page, text);
  await answers(page, before + 1);
  await settled(page);
}

async function setting(page, name, value) {
  await page.click("#settings");
  const field = page.locator(`#set-${name}`);
  if (await field.evaluate((node) => node.tagName === "SELECT")) await field.selectOption(value);
  else await field.fill(value);
  await page.click("#panel .primary");
}

test("the page's files, with their headers", async () => {
  const page = await fetch(`${server.url}/`);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  const html = await page.text();
  const names = [...html.matchAll(/(?:src|href)="(\/web\/[^"]+)"/g)].map((match) => match[1]);
  assert.ok(names.length >= 4);
  const css = await (await fetch(`${server.url}/web/lib/katex.css`)).text();
  const fonts = [...css.matchAll(/url\(([^)]*)\)/g)].map((match) => `/web/lib/${match[1]}`);
  assert.ok(fonts.length >= 10);
  for (const name of ["/", ...names, ...fonts, "/web/lib/marked.js", "/web/lib/highlight.js", "/web/lib/katex.js", "/web/lib/katex.css"]) {
    const answer = await fetch(server.url + name);
    assert.equal(answer.status, 200, name);
    if (name.includes("fonts")) assert.equal(answer.headers.get("content-type"), "font/woff2", name);
    assert.equal(answer.headers.get("content-security-policy"), kPolicy, name);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff", name);
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer", name);
    const again = await fetch(server.url + name, { headers: { "If-None-Match": answer.headers.get("etag") } });
    assert.equal(again.status, 304, name);
    assert.equal(again.headers.get("etag"), answer.headers.get("etag"), name);
  }
  assert.equal((await fetch(`${server.url}/web/none.js`)).status, 404);
  assert.equal((await fetch(`${server.url}/web/../main.cpp`)).status, 404);
});

test("label, reply, figures; reload, regenerate; the server keeps no session", async () => {
  const page = await openPage(browser, server.url);
  const sessions = [];
  page.on("response", (response) => sessions.push(response.headers()["x-session-id"]));
  assert.equal(await page.isVisible("#demo"), true);  // the bundled model says what it is
  await ask(page, "今天天气真好，心情也跟着好起来了。");
  assert.match(await page.textContent(".label summary"), /^😄Sentiment:▲positive\d+\.\d%$/);
  assert.ok((await page.textContent(`${lastAnswer} .body`)).length > 3);
  assert.match(await page.textContent(`${lastAnswer} .stats`), /^\d+ tokens · [\d.]+ tokens\/s · first after [\d.]+ m?s$/);
  await ask(page, "快递晚了一个星期，盒子还是破的，非常失望。");
  assert.match(await page.locator(".label summary").last().textContent(), /^😢Sentiment:▼negative/);
  await shot(page, "server-two-turns");
  const shown = await bodies(page);
  await page.reload();
  await answers(page, 2);
  assert.deepEqual(await bodies(page), shown);
  await page.locator(".regenerate").last().click();
  await page.waitForFunction(() => [...document.querySelectorAll(".answer .branches")].pop()?.textContent === "2/2");
  await settled(page);
  assert.equal(await page.locator(".label").count(), 2);  // the label is not computed again
  assert.deepEqual(sessions.filter((id) => id !== undefined), []);
  await closeClean(page);
});

test("settings reach the model; a reply that its length ended is continued", async () => {
  const page = await openPage(browser, server.url);
  await setting(page, "seed", "7");
  await ask(page, "今天天气怎么样");
  const whole = await page.textContent(`${lastAnswer} .body`);
  await page.click("#new");
  await page.waitForSelector("#welcome:not([hidden])");
  await setting(page, "temperature", "0");
  await setting(page, "length", "3");
  await ask(page, "今天天气怎么样");
  assert.match(await page.textContent(`${lastAnswer} .aside`), /longest length/);
  const cut = await page.textContent(`${lastAnswer} .body`);
  assert.ok(cut.length < whole.length + 20);
  await setting(page, "length", "64");
  await page.click(".resume");
  await page.waitForFunction(([css, text]) => document.querySelector(`${css} .body`).textContent.length > text.length, [lastAnswer, cut]);
  await settled(page);
  assert.ok((await page.textContent(`${lastAnswer} .body`)).startsWith(cut));
  assert.equal(await page.locator(".answer").count(), 1);
  await closeClean(page);
});

test("more turns than the server uses: the page says how many", async () => {
  const page = await openPage(browser, server.url);
  await setting(page, "length", "4");
  for (const text of ["一", "二", "三", "四", "五"]) await ask(page, text);
  assert.match((await page.locator(`${lastAnswer} .aside`).allTextContents()).join("\n"),
    /Only the last 3 turns were used; 1 earlier one was left out\./);
  await closeClean(page);
});

test("another task, label only", async () => {
  const page = await openPage(browser, server.url);
  await setting(page, "task", "intent");
  await setting(page, "reply", "");
  await ask(page, "你们的客服电话是多少？");
  await page.click(".label summary");
  assert.equal(await page.locator(".label tr").count(), 5);
  await closeClean(page);
});

test("stop frees the server's place", async () => {
  const page = await openPage(browser, server.url);
  // The bundled model is quick: a reply may end before the click.
  let stopped = false;
  for (let sent = 1; !stopped && sent <= 20; ++sent) {
    await send(page, "Tell me a story");
    await answers(page, sent);
    stopped = await page.click("#stop", { timeout: 500 }).then(() => true, () => false);
    await settled(page);
  }
  assert.ok(stopped, "no reply was stopped in time");
  await eventually("nothing runs", async () => await server.metric("qwen_jobs_running") === 0);
  await ask(page, "And now?");
  assert.equal(await page.locator(`${lastAnswer} .notice`).count(), 0);
  await closeClean(page);
});

test("HTML in a message is text, after a reload too", async () => {
  const page = await openPage(browser, server.url);
  const text = "<img src=x onerror=window.hit=1><script>window.hit=1</script>";
  await ask(page, text);
  await page.reload();
  await answers(page, 1);
  assert.equal(await page.textContent(".said"), text);
  assert.equal(await page.locator("#messages img, #messages script").count(), 0);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  await closeClean(page);
});

test("the server is killed and comes back: the conversation continues", async () => {
  const victim = await startServer();
  const page = await openPage(browser, victim.url);
  await ask(page, "你好");
  await victim.kill();
  await send(page, "还在吗？");
  await page.waitForSelector(".notice");
  assert.match(await page.textContent(".notice span"), /does not answer|connection broke/);
  await page.waitForSelector("#banner:not([hidden])");
  const back = await startServer(["--port", String(victim.port)]);
  try {
    await page.waitForSelector("#banner", { state: "hidden" });
    const request = page.waitForRequest((one) => one.url().endsWith("/api/analyze"));
    await page.click(".notice button");
    const { messages } = (await request).postDataJSON();
    assert.deepEqual(messages.map(({ role }) => role), ["user", "assistant"]);
    await page.waitForSelector(`${lastAnswer} .stats`);
    assert.equal(await page.locator(".answer").count(), 2);
  } finally {
    await closeClean(page, /ERR_|404/);
    assert.equal(await back.stop(), 0);
  }
});

test("a table is labeled, 50 rows in a few requests", async () => {
  const page = await openPage(browser, server.url);
  await page.click("#to-batch");
  const rows = Array.from({ length: 50 }, (_, i) => (i % 2 ? "房间很脏，再也不来了" : "味道很好，下次还来") + i);
  await page.fill("#batch-lines", rows.join("\n"));
  await page.click("#batch-paste");
  await page.click("#batch-start");
  await page.waitForFunction(() => document.getElementById("batch-rate").textContent === "50 of 50 rows");
  assert.deepEqual((await page.locator(".results .mark").allTextContents()).slice(0, 2), ["▲", "▼"]);
  await closeClean(page);
});

test("a server that limits its clients", async () => {
  const limited = await startServer(["--rate", "1"]);
  const page = await openPage(browser, limited.url);
  try {
    await ask(page, "你好");
    await send(page, "再来");
    await page.waitForSelector(".notice");
    assert.match(await page.textContent(".notice span"), /^The server is busy\. Trying again in \d+ s\.$/);
    await page.keyboard.press("Escape");
    assert.equal(await page.textContent(".notice span"), "The server is busy.");
  } finally {
    await closeClean(page, /429/);
    assert.equal(await limited.stop(), 0);
  }
});

test("a server with keys", async () => {
  const guarded = await startServer([], { LIBQWEN_API_KEY: "open-sesame" });
  const page = await openPage(browser, guarded.url);
  try {
    await page.waitForSelector("#key-dialog[open]");
    await page.fill("#key", "close-sesame");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#key-wrong:not([hidden])");
    await page.fill("#key", "open-sesame");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("model").textContent !== "");
    await send(page, "你好");
    await page.waitForSelector(`${lastAnswer} .stats`);
    await page.reload();  // the tab still has it
    await page.waitForFunction(() => document.getElementById("model").textContent !== "");
    assert.equal(await page.locator("#key-dialog[open]").count(), 0);
  } finally {
    await closeClean(page, /401/);
    assert.equal(await guarded.stop(), 0);
  }
});
