// What happens at the same time: typing, replies, other tabs and imports; and browsers that lack something.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { assertAccessible, closeClean, kLibraryDir, kPageDir, kPolicy, launch, openPage, send, settled, shot } from "./browser.mjs";
import { startStandIn } from "./stand_in.mjs";

let browser;
let server;
let usual;

before(async () => {
  server = await startStandIn({ pageDir: kPageDir, libraryDir: kLibraryDir, policy: kPolicy });
  usual = server.script;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => {
  server.script = usual;
  server.requests.length = 0;
});

const bodies = (page) => page.locator("#messages .answer .body").allTextContents();
const count = (page, selector, n) => page.waitForFunction(([css, wanted]) => document.querySelectorAll(css).length === wanted, [selector, n]);

// Replies to "slow" wait for release().
function gated() {
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  server.script = async (body, answer) => {
    await answer.say("begun", 1);
    if (body.text.startsWith("slow")) await gate;
    answer.sentiment();
    await answer.say(" and ended", 1);
    answer.done();
  };
  return release;
}

test("a conversation that is left at once is answered with its own history", async () => {
  const page = await openPage(browser, server.url);
  await send(page, "first");
  await settled(page);
  await page.evaluate(() => {
    const input = document.getElementById("input");
    input.value = "second";
    input.dispatchEvent(new Event("input"));
    document.getElementById("composer").requestSubmit();
    document.getElementById("composer").requestSubmit();  // twice: the second has nothing to send
    document.getElementById("new").click();
  });
  await page.waitForSelector("#welcome:not([hidden])");
  await page.waitForFunction(() => document.getElementById("announcer").textContent.startsWith("Reply"));
  await page.click("#conversations .open >> text=first");
  await count(page, ".answer", 2);
  await settled(page);
  assert.equal(server.requests.length, 2);
  assert.equal(server.requests[1].messages.length, 2);
  await closeClean(page);
});

test("an edit goes on while a reply and another tab write", async () => {
  const page = await openPage(browser, server.url);
  await send(page, "first");
  await settled(page);
  const release = gated();
  await send(page, "slow");
  await page.waitForFunction(() => [...document.querySelectorAll(".answer .body")].pop()?.textContent === "begun");
  await page.hover(".user");
  await page.locator(".user button[title='Edit']").first().click();
  await page.fill(".editing", "half of an edit");
  const other = await page.context().newPage();
  await other.goto(page.url());
  await count(other, ".answer", 2);
  release();
  await settled(page);
  await page.waitForTimeout(300);
  assert.equal(await page.inputValue(".editing"), "half of an edit");
  await assertAccessible(page);
  await page.keyboard.press("Escape");
  await page.locator(".user .said").first().waitFor();
  await other.close();
  await closeClean(page);
});

test("an import and an undo do not lose a reply under way", async () => {
  const page = await openPage(browser, server.url);
  await send(page, "old");
  await settled(page);
  await page.click("#new");
  await page.waitForSelector("#welcome:not([hidden])");
  const release = gated();
  await send(page, "slow");
  await page.waitForFunction(() => document.querySelector(".answer .body")?.textContent === "begun");
  await page.hover("#conversations .row:last-child");
  await page.click("#conversations button[title='Delete “old”']");
  await count(page, "#conversations .open", 1);
  await assertAccessible(page);  // with the toast
  const file = { format: "qwen-conversations", conversations: [{ title: "imported", messages: [{ role: "user", text: "hi" }] }, { title: "two", messages: [] }] };
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#import")]);
  await chooser.setFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(file)) });
  await count(page, "#conversations .open", 3);
  release();
  await settled(page);
  await page.reload();
  await count(page, ".answer", 1);
  assert.deepEqual(await bodies(page), ["begun and ended"]);
  assert.equal(await page.textContent("#title"), "slow");
  await closeClean(page);
});

test("a conversation that another tab deletes is closed, and its reply is stopped", async () => {
  const page = await openPage(browser, server.url);
  gated();
  await send(page, "slow");
  await page.waitForFunction(() => document.querySelector(".answer .body")?.textContent === "begun");
  const other = await page.context().newPage();
  await other.goto(server.url);
  await count(other, "#conversations .open", 1);
  const before = server.aborted;
  await other.hover("#conversations .row");
  await other.click("#conversations button[title^='Delete']");
  await page.waitForSelector("#welcome:not([hidden])");
  for (let tries = 0; server.aborted === before && tries < 100; ++tries) await page.waitForTimeout(20);
  assert.equal(server.aborted, before + 1);
  await page.reload();
  await page.waitForSelector("#conversations .empty");
  await closeClean(page);
});

test("what a table's run depends on cannot change while it lasts", async () => {
  const page = await openPage(browser, `${server.url}`);
  await page.click("#to-batch");
  await page.fill("#batch-lines", Array.from({ length: 400 }, (_, i) => `good ${i}`).join("\n"));
  await page.click("#batch-paste");
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  await page.route("**/v1/classify", async (route) => {
    await gate;
    await route.continue();
  });
  await page.click("#batch-start");
  await page.waitForSelector("#batch-cancel", { state: "visible" });
  for (const id of ["batch-text", "batch-task", "batch-encoding", "batch-delimiter", "batch-header"]) {
    assert.equal(await page.locator(`#${id}`).isDisabled(), true, id);
  }
  release();
  await page.waitForFunction(() => document.getElementById("batch-rate").textContent === "400 of 400 rows");
  assert.equal(await page.locator("#batch-task").isDisabled(), false);
  await page.click("#theme");
  await shot(page, "batch-dark");
  await assertAccessible(page);
  await closeClean(page);
});

test("turns and tokens that a reply did not use are said", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => {
    answer.sentiment();
    await answer.say("short", 1);
    answer.done("stop", { dropped_turns: 2, kept_turns: 0, truncated_tokens: 12 });
  };
  await send(page, "x");
  await settled(page);
  assert.deepEqual(await page.locator(".answer .aside").allTextContents(),
    ["12 tokens of your text were not read for the reply.", "The 2 earlier turns were not used."]);
  await page.click("#export");
  await page.waitForSelector("#export-dialog[open]");
  await assertAccessible(page);
  await page.keyboard.press("Escape");
  await closeClean(page);
});

test("a browser that stores nothing says so and works", async () => {
  const page = await browser.newPage({ locale: "en-US" });
  await page.addInitScript(() => {
    Object.defineProperty(window, "indexedDB", { get() { throw new DOMException("blocked", "SecurityError"); } });
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("blocked", "SecurityError"); } });
    Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("blocked", "SecurityError"); } });
  });
  await page.goto(server.url);
  await page.waitForSelector("#toast:not([hidden])");
  assert.match(await page.textContent("#toast"), /does not store data/);
  await send(page, "one");
  await settled(page);
  await send(page, "two");
  await count(page, ".answer", 2);
  await settled(page);
  assert.equal(server.requests[1].messages.length, 2);
  await page.close();
});

test("an older browser, without modal dialogs and messages between tabs", async () => {
  const context = await browser.newContext({ locale: "en-US" });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.stack));
  await page.addInitScript(() => {
    delete window.BroadcastChannel;
    delete HTMLDialogElement.prototype.showModal;
    delete HTMLDialogElement.prototype.close;
    delete HTMLDialogElement.prototype.show;
    delete Array.prototype.at;
    delete Array.prototype.findLast;
    delete window.structuredClone;
    delete crypto.randomUUID;
  });
  await page.goto(server.url);
  await page.waitForFunction(() => document.getElementById("model").textContent !== "");
  await page.click("#settings");
  await page.fill("#set-length", "9");
  await page.click("#panel .primary");
  await page.waitForSelector("#panel", { state: "hidden" });
  await send(page, "one");
  await settled(page);
  assert.equal(server.requests[0].max_tokens, 9);
  assert.deepEqual(errors, []);
  await context.close();
});

test("formulas, money and code; columns of text; the branch that was used last", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => {
    await answer.say("$\\{a\\}$ and $x$ cost $5, not $6. \\$3 `$y$` $ 7 $ and \\[b\\]", 1);
    answer.done();
  };
  await send(page, "x");
  await settled(page);
  await page.waitForFunction(() => document.querySelectorAll(".katex").length === 3);
  assert.match(await page.textContent(".body"), /cost \$5, not \$6\. \$3 \$y\$ \$ 7 \$/);
  await closeClean(page);

  const csv = await import(path.join(kPageDir, "csv.js"));
  const column = (text) => csv.findTextColumn(csv.readTable(text));
  assert.equal(column("日期,说的话,类别\n2024-01-02,好,非常正面的评价\n2024-01-03,差,非常负面的评价\n"), 1);
  assert.equal(column("a,b\n1234567890,ok\n1234567891,no\n"), 1);
  assert.equal(column("a,b\n1,2\n3,4\n"), 0);
  assert.equal(csv.findDelimiter("Well, good\nbad\nok, fine\n"), null);
  assert.equal(csv.findDelimiter(""), null);
  // conversation.js draws its ids by the store, which wants a browser.
  const leaf = await (async () => {
    const other = await openPage(browser, server.url);
    const found = await other.evaluate(async () => {
      const { newestLeaf, pathTo, subtree } = await import("/web/conversation.js");
      const message = (id, parent, created) => ({ id, parent, created, role: "user", text: id });
      const all = [message("a", null, 1), message("b1", "a", 2), message("b2", "a", 3), message("c", "b1", 4), message("z", null, 0)];
      return { leaf: newestLeaf(all, "a"), none: newestLeaf([], null), path: pathTo(all, "b2").map(({ id }) => id), gone: pathTo(all, "?").map(({ id }) => id), all: subtree(all, null).length };
    });
    await closeClean(other);
    return found;
  })();
  assert.deepEqual(leaf, { leaf: "c", none: null, path: ["a", "b2"], gone: ["a", "b1", "c"], all: 5 });
});
