// The page in Firefox ESR, and in WebKitGTK, which shares its engine with Safari: the main flows, with real keys and clicks.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { kArtifacts } from "./browser.mjs";
import { startServer } from "./server.mjs";
import { kFirefox, kWebKitDriver, pageOf, startFirefox, startWebKit } from "./webdriver.mjs";

const kEnter = "\ue007";
let server;

before(async () => { server = await startServer(); });
after(async () => { await server?.stop(); });

const answered = (page, count) => page.until(`${count} answers`, `(n) => {
  const all = document.querySelectorAll("#messages .answer");
  return all.length === n && all[n - 1].getAttribute("aria-busy") === "false";
}`, count);

const shot = async (page, name) => writeFileSync(path.join(kArtifacts, `${name}.png`), await page.screenshot());

// Everything that the page could not do, kept by the page itself: the two browsers report it in different ways.
const kWatch = `() => {
  window.complaints = [];
  addEventListener("error", (event) => complaints.push(String(event.message)));
  addEventListener("unhandledrejection", (event) => complaints.push(String(event.reason)));
  addEventListener("securitypolicyviolation", (event) => complaints.push(event.violatedDirective));
}`;
const complaints = (page) => page.run("() => window.complaints");

async function chatAndList(page, name) {
  await page.open(server.url);
  await page.run(kWatch);
  await page.until("the model's name", `() => document.getElementById("model").textContent !== ""`);
  // Colors, grid and flex have arrived: a message is a bubble at the right, the box is at the bottom.
  assert.notEqual(await page.run(`() => getComputedStyle(document.body).backgroundColor`), "rgba(0, 0, 0, 0)");
  await page.type("#input", `I finally passed the exam today!${kEnter}`);
  await answered(page, 1);
  assert.match(await page.text(".label summary"), /^😄Sentiment:▲positive\d+\.\d%$/);
  assert.ok((await page.text(".answer .body")).length > 3);
  const right = await page.run(`() => {
    const bubble = document.querySelector(".bubble").getBoundingClientRect();
    const column = document.getElementById("messages").getBoundingClientRect();
    return [Math.round(column.right - bubble.right), bubble.width < column.width];
  }`);
  assert.deepEqual(right, [0, true]);
  await page.type("#input", `房间很脏，再也不来了。${kEnter}`);
  await answered(page, 2);
  await shot(page, `${name}-chat`);
  const shown = await page.text("#messages");
  await page.reload();
  await answered(page, 2);
  await page.until("the server's tasks", `() => document.getElementById("model").textContent !== ""`);
  assert.equal(await page.text("#messages"), shown);
  assert.deepEqual(await page.run(`() => [...document.querySelectorAll("#messages .mark")].map((one) => one.textContent)`), ["▲", "▼"]);

  // A second conversation, the list, the search, back to the first.
  await page.run(kWatch);
  await page.click("#new");
  await page.until("the welcome", `() => !document.getElementById("welcome").hidden`);
  await page.type("#input", `你好${kEnter}`);
  await answered(page, 1);
  const titles = `() => [...document.querySelectorAll("#conversations .open")].map((one) => one.textContent)`;
  assert.deepEqual(await page.run(titles), ["你好", "I finally passed the exam today!"]);
  await page.type("#search", "exam");
  await page.until("one found", `() => document.querySelectorAll("#conversations .open").length === 1`);
  await page.click("#conversations .open");
  await answered(page, 2);
  await page.click("#settings");
  await page.until("the panel", `() => document.getElementById("panel").open`);
  await page.click("#panel .primary");
  await page.until("no panel", `() => !document.getElementById("panel").open`);
  await page.click("#theme");
  assert.equal(await page.run(`() => document.documentElement.dataset.shown`), "dark");
  assert.deepEqual(await complaints(page), []);
}

async function batch(page, name) {
  await page.click("#to-batch");
  await page.until("the batch page", `() => !document.getElementById("batch-empty").hidden`);
  const lines = ["味道很好，下次还来", "质量太差，用了一天就坏了", "房间干净，服务热情"];
  await page.run(`(text) => { document.getElementById("batch-lines").value = text; }`, lines.join("\n"));
  await page.click("#batch-paste");
  await page.until("the preview", `() => !document.getElementById("batch-work").hidden`);
  await page.click("#batch-start");
  await page.until("three labels", `() => document.getElementById("batch-rate").textContent === "3 of 3 rows"`);
  const marks = await page.run(`() => [...document.querySelectorAll(".results .mark")].map((one) => one.textContent)`);
  assert.deepEqual(marks, ["▲", "▼", "▲"]);
  assert.ok(await page.run(`() => document.querySelector(".label-chart .bar i").getBoundingClientRect().width > 10`));
  await shot(page, `${name}-batch`);
  // As wide as a phone, nothing is wider than the page.
  await page.size(400, 800);
  assert.equal(await page.run(`() => document.documentElement.scrollWidth > innerWidth`), false);
  await shot(page, `${name}-narrow`);
  assert.deepEqual(await complaints(page), []);
}

function inBrowser(name, program, start) {
  const missing = existsSync(program) ? false : `no ${program} here; scripts/packages-tests.txt has the package`;
  if (missing && process.env.QWEN_NO_SKIP) throw new Error(missing);
  test(`the page in ${name}`, { skip: missing }, async (t) => {
    const page = pageOf(await start());
    try {
      t.diagnostic(page.name);
      await chatAndList(page, name);
      await batch(page, name);
    } finally {
      await page.quit();
    }
  });
}

inBrowser("firefox", kFirefox, startFirefox);
inBrowser("webkit", kWebKitDriver, startWebKit);
