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

const turn = "#turns .turn:last-of-type";
const turns = (page, count) => page.waitForFunction((n) => document.querySelectorAll(".turn").length === n, count);

test("the page's files, with their headers", async () => {
  const page = await fetch(`${server.url}/`);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  const html = await page.text();
  const names = [...html.matchAll(/(?:src|href)="(\/web\/[^"]+)"/g)].map((match) => match[1]);
  assert.ok(names.length >= 4);
  for (const name of ["/", ...names, "/web/lib/marked.js", "/web/lib/highlight.js"]) {
    const answer = await fetch(server.url + name);
    assert.equal(answer.status, 200, name);
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

test("label, reply, figures; reload, regenerate, history off", async () => {
  const page = await openPage(browser, server.url);
  await send(page, "今天天气真好，心情也跟着好起来了。");
  await settled(page);
  assert.match(await page.textContent(`${turn} .label summary`), /^😄Sentiment:positive\d+\.\d%$/);
  assert.ok((await page.textContent(`${turn} .body`)).length > 3);
  assert.match(await page.textContent(`${turn} .stats`), /^\d+ tokens · [\d.]+ tokens\/s · first after [\d.]+ m?s$/);
  await send(page, "快递晚了一个星期，盒子还是破的，非常失望。");
  await turns(page, 2);
  await settled(page);
  assert.match(await page.textContent(`${turn} .label summary`), /^😢Sentiment:negative/);
  await shot(page, "server-two-turns");

  const shown = await page.locator(".body").allTextContents();
  const session = () => page.evaluate(() => JSON.parse(localStorage.getItem("qwen.chat")).session);
  const id = await session();
  const kept = async () => (await (await fetch(`${server.url}/api/sessions/${id}`)).json()).turns;
  assert.equal((await kept()).length, 2);
  await page.reload();
  await turns(page, 2);
  assert.deepEqual(await page.locator(".body").allTextContents(), shown);
  assert.equal(await session(), id);
  // Without its own copy the page has the server's.
  await page.evaluate((one) => localStorage.setItem("qwen.chat", JSON.stringify({ session: one, turns: [] })), id);
  await page.goto("about:blank");
  await page.goto(server.url);
  await turns(page, 2);
  assert.deepEqual(await page.locator(".body").allTextContents(), shown);
  assert.equal(await page.locator(".label").count(), 2);

  await page.click(".regenerate");
  await settled(page);
  assert.equal((await kept()).length, 2);
  assert.equal(await page.locator(".turn").count(), 2);
  assert.equal((await kept())[1].assistant, await page.textContent(`${turn} .body`));

  await page.click("#settings");
  await page.click("#set-history");
  await page.fill("#set-length", "2");
  await page.keyboard.press("Escape");
  await send(page, "你好");
  await turns(page, 3);
  await settled(page);
  assert.equal((await kept()).length, 2);
  assert.deepEqual(await page.locator(`${turn} .aside`).allTextContents(),
    ["The reply reached its longest length.", "Answered without the earlier messages."]);
  await closeClean(page);
});

test("another task, label only", async () => {
  const page = await openPage(browser, server.url);
  await page.click("#settings");
  await page.selectOption("#set-task", "intent");
  await page.selectOption("#set-reply", "");
  await page.click("#settings-dialog .primary");
  await send(page, "你们的客服电话是多少？");
  await settled(page);
  await page.click(`${turn} summary`);
  assert.equal(await page.locator(`${turn} .label tr`).count(), 5);
  await closeClean(page);
});

test("stop frees the server's place", async () => {
  const page = await openPage(browser, server.url);
  // The bundled model is quick: a reply may end before the click.
  let sent = 0, stopped = false;
  while (!stopped && sent < 20) {
    await send(page, "Tell me a story");
    await turns(page, ++sent);
    stopped = await page.click("#stop", { timeout: 500 }).then(() => true, () => false);
    await settled(page);
  }
  assert.ok(stopped, "no reply was stopped in time");
  await eventually("nothing runs", async () => await server.metric("qwen_jobs_running") === 0);
  await send(page, "And now?");
  await turns(page, sent + 1);
  await settled(page);
  assert.equal(await page.locator(`${turn} .notice`).count(), 0);
  await closeClean(page);
});

test("HTML in a message comes back as text, from the session too", async () => {
  const page = await openPage(browser, server.url);
  const text = "<img src=x onerror=window.hit=1><script>window.hit=1</script>";
  await send(page, text);
  await settled(page);
  await page.evaluate(() => localStorage.setItem("qwen.chat",
    JSON.stringify({ session: JSON.parse(localStorage.getItem("qwen.chat")).session, turns: [] })));
  await page.goto("about:blank");
  await page.goto(server.url);
  await turns(page, 1);
  assert.equal(await page.textContent(".said"), text);
  assert.equal(await page.locator("#turns img, #turns script").count(), 0);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  await closeClean(page);
});

test("the server is killed and comes back", async () => {
  const victim = await startServer();
  const page = await openPage(browser, victim.url);
  await send(page, "你好");
  await settled(page);
  await victim.kill();
  await send(page, "还在吗？");
  await page.waitForSelector(".notice");
  assert.match(await page.textContent(".notice span"), /does not answer|connection broke/);
  await page.waitForSelector("#banner:not([hidden])");
  const back = await startServer(["--port", String(victim.port)]);
  try {
    await page.waitForSelector("#banner", { state: "hidden" });
    await page.click(".notice button");
    await page.waitForSelector(`${turn} .stats`);
    assert.equal(await page.locator(".turn").count(), 2);
    assert.equal(await page.locator(".divider").count(), 1);  // the session went with the server
  } finally {
    await closeClean(page, /ERR_|404/);
    assert.equal(await back.stop(), 0);
  }
});

test("a server that limits its clients", async () => {
  const limited = await startServer(["--rate", "1"]);
  const page = await openPage(browser, limited.url);
  try {
    await send(page, "你好");
    await settled(page);
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
    await page.waitForSelector(`${turn} .stats`);
    await page.reload();  // the tab still has it
    await page.waitForFunction(() => document.getElementById("model").textContent !== "");
    assert.equal(await page.locator("#key-dialog[open]").count(), 0);
  } finally {
    await closeClean(page, /401/);
    assert.equal(await guarded.stop(), 0);
  }
});
