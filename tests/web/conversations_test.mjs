// Conversations: kept in the browser, branched, moved between tabs and files. The page against the stand-in server.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";
import { assertAccessible, closeClean, kLibraryDir, kPageDir, kPhone, kPolicy, launch, openPage, send, settled, shot } from "./browser.mjs";
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
  server.info = { ...server.info, builtin: false, thinking: false };
  server.requests.length = 0;
});

const lastAnswer = "#messages .answer:last-of-type";
const bodies = (page) => page.locator("#messages .answer .body").allTextContents();
const said = (page) => page.locator("#messages .user .said").allTextContents();
const titles = (page) => page.locator("#conversations .open").allTextContents();

// Answers that name their request, so that a test sees which one is shown.
function numbered() {
  let count = 0;
  server.script = async (body, answer) => {
    count += 1;
    const mine = count;
    answer.sentiment();
    await answer.say(`answer ${mine} to ${body.text}`, 1);
    answer.done();
  };
}

const count = (page, selector, n) => page.waitForFunction(([css, wanted]) => document.querySelectorAll(css).length === wanted, [selector, n]);

test("the page sends the history itself: a server that has restarted knows the conversation", async () => {
  const page = await openPage(browser, server.url);
  numbered();
  await send(page, "first");
  await settled(page);
  await server.stop();
  await server.start();
  await page.reload();
  await count(page, ".answer", 1);
  await send(page, "second");
  await count(page, ".answer", 2);
  await settled(page);
  assert.deepEqual(server.requests[1], { text: "second", task: "sentiment", reply: "chat", max_tokens: 512,
    messages: [{ role: "user", content: "first" }, { role: "assistant", content: "answer 1 to first" }] });
  assert.deepEqual(await bodies(page), ["answer 1 to first", "answer 2 to second"]);
  assert.equal(await page.locator("#trend .mark.positive").count(), 2);
  await closeClean(page);
});

test("settings belong to the conversation; what is typed survives a reload", async () => {
  const page = await openPage(browser, server.url);
  server.info = { ...server.info, thinking: true };
  await page.reload();
  await page.waitForFunction(() => document.getElementById("model").textContent !== "");
  await page.click("#settings");
  await page.fill("#set-length", "77");
  await page.fill("#set-seed", "5");
  await page.fill("#set-system", "用一句话回答。");
  await page.locator("#set-temperature").fill("0.2");
  await page.selectOption("#set-task", "intent");
  assert.equal(await page.getAttribute("#set-length", "placeholder"), "512");  // a quarter of the context
  assert.equal(await page.isVisible("#set-budget"), false);
  await page.selectOption("#set-think", "on");
  assert.equal(await page.getAttribute("#set-length", "placeholder"), "1024");
  await page.fill("#set-budget", "40");
  await shot(page, "panel");
  await assertAccessible(page);
  await page.click("#panel .primary");
  await send(page, "one");
  await settled(page);
  const own = { task: "intent", reply: "chat", system: "用一句话回答。", temperature: 0.2, max_tokens: 77, seed: 5,
    think: true, thinking_budget: 40 };
  assert.deepEqual(server.requests[0], { text: "one", messages: [], ...own });
  await page.click("#new");
  await page.waitForSelector("#welcome:not([hidden])");
  await page.click("#settings");
  await page.click("#set-defaults");
  await page.click("#panel .primary");
  await page.fill("#input", "half a thou");
  await page.reload();
  assert.equal(await page.inputValue("#input"), "half a thou");
  await page.click("#conversations .open");
  await count(page, ".answer", 1);
  await send(page, "two");
  await count(page, ".answer", 2);
  await settled(page);
  assert.equal(server.requests[1].system, "用一句话回答。");
  await closeClean(page);
});

test("another answer and an edited message are branches; the old ones stay", async () => {
  const page = await openPage(browser, server.url);
  numbered();
  await send(page, "hello");
  await settled(page);
  await page.click(".regenerate");
  await page.waitForFunction(() => document.querySelector(".answer .body")?.textContent === "answer 2 to hello");
  await settled(page);
  assert.equal(server.requests[1].task, null);  // the label is known
  assert.equal(await page.textContent(".answer .branches"), "2/2");
  await page.click(".answer button[title='Previous version']");
  assert.deepEqual(await bodies(page), ["answer 1 to hello"]);
  await send(page, "and more");
  await count(page, ".answer", 2);
  await settled(page);
  assert.deepEqual(server.requests[2].messages.at(-1), { role: "assistant", content: "answer 1 to hello" });
  // An edit of the first message, while the second stays reachable.
  await page.hover(".user");
  await page.click(".user button[title='Edit']");
  assert.equal(await page.inputValue(".editing"), "hello");
  await page.fill(".editing", "good evening");
  await page.press(".editing", "Enter");
  await page.waitForFunction(() => document.querySelector(".user .said")?.textContent === "good evening");
  await settled(page);
  assert.deepEqual(server.requests[3].messages, []);
  assert.deepEqual(await bodies(page), ["answer 4 to good evening"]);
  assert.equal(await page.textContent(".user .branches"), "2/2");
  await shot(page, "branches");
  await assertAccessible(page);
  await page.reload();
  await count(page, ".answer", 1);
  assert.deepEqual(await said(page), ["good evening"]);
  await page.hover(".user");
  await page.click(".user button[title='Previous version']");
  assert.deepEqual(await said(page), ["hello", "and more"]);
  assert.deepEqual(await bodies(page), ["answer 1 to hello", "answer 3 to and more"]);
  // Esc leaves the message as it was.
  await page.hover(".user");
  await page.click(".user button[title='Edit']");
  await page.press(".editing", "Escape");
  assert.deepEqual(await said(page), ["hello", "and more"]);
  assert.equal(server.requests.length, 4);
  await closeClean(page);
});

test("stop by button and Esc; continue where it stopped and where the length ended it", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => {
    answer.sentiment();
    await answer.say("word ".repeat(2000), 5);
    answer.done();
  };
  for (const how of ["click", "Escape"]) {
    await send(page, "Tell me a long story");
    await page.waitForFunction((css) => document.querySelector(`${css} .body`)?.textContent.includes("word word"), lastAnswer);
    assert.equal(await page.isVisible("#send"), false);
    const before = server.aborted;
    if (how === "click") await page.click("#stop");
    else await page.keyboard.press(how);
    await settled(page);
    assert.equal(await page.textContent(`${lastAnswer} .aside`), "Stopped.");
    for (let tries = 0; server.aborted === before && tries < 100; ++tries) await new Promise((done) => setTimeout(done, 20));
    assert.equal(server.aborted, before + 1);
    assert.equal(await page.isVisible("#send"), true);
  }
  const partial = await page.textContent(`${lastAnswer} .body`);
  server.script = async (body, answer) => {
    await answer.say("and that was the end", 1);
    answer.done("length", { usage: { prompt_tokens: 9, completion_tokens: 512 } });
  };
  await page.click(".resume");
  await page.waitForFunction((css) => /the end$/.test(document.querySelector(`${css} .body`)?.textContent), lastAnswer);
  await settled(page);
  assert.equal(server.requests.at(-1).partial.trim(), partial.trim());
  assert.equal(server.requests.at(-1).text, "Tell me a long story");
  assert.match(await page.textContent(`${lastAnswer} .aside`), /longest length/);
  assert.ok((await page.textContent(`${lastAnswer} .body`)).startsWith(partial.trim()));
  assert.equal(await page.locator(".resume").count(), 1);
  await closeClean(page);
});

test("new, rename, search, delete with undo", async () => {
  const page = await openPage(browser, server.url);
  numbered();
  for (const text of ["apples are red", "pears are green", "a third thing"]) {
    await page.click("#new");
    await page.waitForSelector("#welcome:not([hidden])");
    await send(page, text);
    await settled(page);
  }
  assert.deepEqual(await titles(page), ["a third thing", "pears are green", "apples are red"]);
  assert.equal(await page.textContent("#title"), "a third thing");
  await page.hover("#conversations .row");
  await page.click("#conversations .row button[title^='Rename']");
  await page.keyboard.type("Number three");
  await page.keyboard.press("Enter");
  assert.equal(await page.textContent("#title"), "Number three");
  await page.fill("#search", "answer 2");  // text of an answer
  await count(page, "#conversations .open", 1);
  assert.deepEqual(await titles(page), ["pears are green"]);
  await page.fill("#search", "nothing like it");
  await page.waitForSelector("#conversations .empty");
  await page.fill("#search", "");
  await count(page, "#conversations .open", 3);
  await shot(page, "sidebar");
  await page.hover("#conversations .row:nth-child(3)");
  await page.click("#conversations button[title='Delete “pears are green”']");
  await count(page, "#conversations .open", 2);
  assert.equal(await page.textContent("#toast span"), "“pears are green” deleted.");
  await page.click("#toast button");
  await count(page, "#conversations .open", 3);
  await page.waitForFunction(() => document.querySelector(".user .said")?.textContent === "pears are green");
  assert.deepEqual(await bodies(page), ["answer 2 to pears are green"]);
  // A message, too.
  await page.hover(".user");
  await page.click(".user button[title='Delete from here on']");
  await page.waitForSelector("#welcome:not([hidden])");
  await page.click("#toast button");
  await count(page, ".answer", 1);
  await page.reload();
  await count(page, ".answer", 1);
  assert.deepEqual(await titles(page), ["pears are green", "Number three", "apples are red"]);
  await closeClean(page);
});

test("two tabs: both show what either says, and nothing is lost whichever closes last", async () => {
  const first = await openPage(browser, server.url);
  numbered();
  await send(first, "from the first");
  await settled(first);
  const second = await first.context().newPage();
  await second.goto(first.url());
  await count(second, ".answer", 1);
  await send(second, "from the second");
  await count(first, ".answer", 2);
  await first.waitForFunction(() => [...document.querySelectorAll(".answer .body")].pop()?.textContent === "answer 2 to from the second");
  await settled(second);
  // Both at once, on the same message: two branches.
  await Promise.all([send(first, "left"), send(second, "right")]);
  await Promise.all([settled(first), settled(second)]);
  await first.waitForFunction(() => [...document.querySelectorAll(".user .branches")].pop()?.textContent.endsWith("/2"));
  await second.close();
  await first.reload();
  await count(first, ".answer", 3);
  const seen = new Set([(await said(first)).at(-1)]);
  const last = first.locator(".user").last();
  await last.hover();
  const other = await last.locator("button[title='Previous version']").isEnabled() ? "Previous version" : "Next version";
  await last.locator(`button[title='${other}']`).click();
  seen.add((await said(first)).at(-1));
  assert.deepEqual(seen, new Set(["left", "right"]));
  assert.deepEqual((await said(first)).slice(0, 2), ["from the first", "from the second"]);
  await closeClean(first);
});

test("a tab that is closed in the middle of a reply keeps what had come", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => {
    answer.sentiment();
    for (let i = 0; i < 400 && !answer.closed; ++i) {
      answer.delta(`w${i} `);
      await answer.pause(10);
    }
  };
  await send(page, "long");
  await page.waitForFunction(() => document.querySelector(".answer .body")?.textContent.includes("w20"));
  await page.reload();
  await count(page, ".answer", 1);
  await page.waitForFunction(() => document.querySelector(".answer")?.getAttribute("aria-busy") === "false");
  assert.match((await bodies(page))[0], /^w0 w1 .*w20/);
  assert.equal(await page.textContent(".aside"), "Stopped.");
  await closeClean(page);
});

test("a reply goes on while another conversation is shown", async () => {
  const page = await openPage(browser, server.url);
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  server.script = async (body, answer) => {
    await answer.say("begun", 1);
    if (body.text === "slow") await gate;
    answer.sentiment();
    await answer.say(" and ended", 1);
    answer.done();
  };
  await send(page, "slow");
  await page.waitForFunction(() => document.querySelector(".answer .body")?.textContent === "begun");
  await page.click("#new");
  await page.waitForSelector("#welcome:not([hidden])");
  await send(page, "quick");
  await settled(page);
  assert.deepEqual(await bodies(page), ["begun and ended"]);
  release();
  await page.waitForTimeout(300);
  await page.click("#conversations .open >> text=slow");
  await page.waitForFunction(() => document.querySelector(".said")?.textContent === "slow");
  await settled(page);
  assert.deepEqual(await bodies(page), ["begun and ended"]);
  assert.equal(await page.locator(".label").count(), 1);
  await closeClean(page);
});

test("export one as Markdown and JSON, export all, import", async () => {
  const page = await openPage(browser, server.url);
  assert.equal(await page.isDisabled("#export"), true);
  numbered();
  await send(page, "hi");
  await settled(page);
  await page.click(".regenerate");
  await page.waitForFunction(() => document.querySelector(".answer .body")?.textContent === "answer 2 to hi");
  await settled(page);
  const exported = async (...buttons) => {
    for (const button of buttons.slice(0, -1)) await page.click(button);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(buttons.at(-1))]);
    return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
  };
  const markdown = await exported("#export", "#export-markdown");
  assert.equal(markdown.name, "hi.md");
  assert.equal(markdown.text, "# hi\n\n## You\n\n> hi\n\n**Sentiment:** 😄 positive (97.3%)\n\n## Model\n\nanswer 2 to hi\n");
  const one = await exported("#export", "#export-json");
  const parsed = JSON.parse(one.text);
  assert.equal(parsed.server.model, "stand-in-0.5b");
  assert.equal(parsed.conversations[0].messages.length, 3);  // both answers
  await page.click("#new");
  await page.waitForSelector("#welcome:not([hidden])");
  await send(page, "second");
  await settled(page);
  const all = await exported("#export-all");
  assert.equal(JSON.parse(all.text).conversations.length, 2);
  await closeClean(page);
  // Into a browser that has never seen them.
  const fresh = await openPage(browser, server.url);
  const importing = async (file) => {
    const [chooser] = await Promise.all([fresh.waitForEvent("filechooser"), fresh.click("#import")]);
    await chooser.setFiles(file);
  };
  const file = { name: "all.json", mimeType: "application/json", buffer: Buffer.from(all.text) };
  await importing(file);
  await count(fresh, "#conversations .open", 2);
  await importing(file);  // again: nothing is overwritten
  await count(fresh, "#conversations .open", 4);
  await fresh.click("#conversations .open >> text=hi");
  await count(fresh, ".answer", 1);
  assert.equal(await fresh.textContent(".answer .branches"), "2/2");
  for (const wrong of ["{", "{}", "[]", "{\"format\":\"qwen-conversations\",\"conversations\":[{\"messages\":[{\"role\":\"root\",\"text\":\"x\"}]}]}",
    "{\"format\":\"qwen-conversations\",\"conversations\":[null]}"]) {
    await importing({ name: "wrong.json", mimeType: "application/json", buffer: Buffer.from(wrong) });
    await fresh.waitForFunction(() => /^wrong\.json could not be imported/.test(document.querySelector("#toast:not([hidden]) span")?.textContent));
    await fresh.evaluate(() => { document.getElementById("toast").hidden = true; });
  }
  await count(fresh, "#conversations .open", 4);
  await closeClean(fresh);
});

test("text files are attached, other files are refused, and too long ones say so", async () => {
  const page = await openPage(browser, server.url);
  const attach = async (name, buffer) => {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#attach")]);
    await chooser.setFiles({ name, mimeType: "text/plain", buffer });
  };
  await attach("note.txt", Buffer.from([0xc4, 0xe3, 0xba, 0xc3]));  // 你好 in GB18030
  await page.waitForFunction(() => document.querySelector(".chip")?.textContent.includes(" token"));
  assert.match(await page.textContent(".chip"), /^note\.txt · 1 token$/);
  await attach("picture.png", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3, 0xff]));
  await page.waitForSelector("#toast:not([hidden])");
  assert.equal(await page.textContent("#toast span"), "picture.png is not a text file.");
  await attach("long.txt", Buffer.from("x".repeat(5000)));
  await page.waitForSelector(".chip.bad");
  assert.equal(await page.textContent(".chip.bad span"), "long.txt: 2500 tokens, the model reads 2048");
  await page.fill("#input", "What does it say?");
  assert.equal(await page.isDisabled("#send"), true);
  await page.click(".chip.bad button");
  await page.press("#input", "Enter");
  await settled(page);
  assert.equal(server.requests[0].text, "note.txt:\n```\n你好\n```\n\nWhat does it say?");
  assert.equal(await page.textContent(".user .said"), "What does it say?");
  await page.click(".file summary");
  assert.equal(await page.textContent(".file pre"), "你好");
  await closeClean(page);
});

test("what was not read or left out is said at the message", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => {
    answer.sentiment("负面", 0.55, { abstained: true, truncated_tokens: 540 });
    await answer.say("short", 1);
    answer.done("stop", { dropped_turns: 4, kept_turns: 3 });
  };
  await send(page, "hm");
  await settled(page);
  assert.equal(await page.textContent(".user .aside"), "540 tokens of your text were not read for the label.");
  assert.equal(await page.textContent(".answer .aside"), "Only the last 3 turns were used; 4 earlier ones were left out.");
  assert.match(await page.textContent(".label summary"), /🤔.*◆not sure/);
  await page.click(".label summary");
  assert.match(await page.textContent(".label"), /the likeliest is negative/);
  await shot(page, "unsure");
  await assertAccessible(page);
  await closeClean(page);
});

test("reasoning is folded, formulas are set, tables keep their words on a phone", async () => {
  const page = await openPage(browser, server.url, kPhone);
  server.script = async (body, answer) => {
    answer.sentiment();
    answer.reason("First I think");
    answer.reason(" about it.");
    await answer.pause(30);
    await answer.say("Euler: $e^{i\\pi}+1=0$, and\n\n$$\\int_0^1 x^2\\,dx = \\frac{1}{3}$$\n\nIt costs $5 and $6. \\(a_1\\) `$x$` $\\undefined{$\n\n" +
      "| characteristics | unexceptional | misunderstanding |\n|---|---|---|\n| straightforward | acknowledgement | responsibilities |", 1);
    answer.done();
  };
  await send(page, "x");
  await settled(page);
  await page.waitForSelector(".katex-display");
  assert.equal(await page.locator(".math .katex").count(), 3);
  assert.match(await page.textContent(".body"), /It costs \$5 and \$6\./);
  assert.equal(await page.textContent(".body p code"), "$x$");
  assert.equal(await page.isVisible(".thought"), false);
  await page.click(".reasoning summary");
  assert.equal(await page.textContent(".thought"), "First I think about it.");
  const broken = await page.evaluate(() => [...document.querySelectorAll(".body td")].some((cell) => cell.offsetHeight > 60));
  assert.equal(broken, false);
  await page.waitForFunction(() => document.fonts.status === "loaded");
  await shot(page, "phone-math");
  await assertAccessible(page);
  await send(page, "again");
  await count(page, ".answer", 2);
  await settled(page);
  assert.equal(JSON.stringify(server.requests[1].messages).includes("First I think"), false);  // no reasoning in the history
  await closeClean(page);
});

test("ArrowUp recalls what was said; the drawer on a phone; 320 pixels are enough", async () => {
  const page = await openPage(browser, server.url);
  for (const text of ["one", "two"]) {
    await send(page, text);
    await page.waitForFunction((text) => [...document.querySelectorAll(".said")].pop()?.textContent === text, text);
    await settled(page);
  }
  await page.press("#input", "ArrowUp");
  assert.equal(await page.inputValue("#input"), "two");
  await page.press("#input", "ArrowUp");
  assert.equal(await page.inputValue("#input"), "one");
  await page.press("#input", "ArrowUp");
  assert.equal(await page.inputValue("#input"), "one");
  await page.press("#input", "ArrowDown");
  await page.press("#input", "ArrowDown");
  assert.equal(await page.inputValue("#input"), "");
  await page.setViewportSize({ width: 320, height: 640 });
  assert.equal(await page.isVisible("#side"), false);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
  await page.click("#menu");
  await page.waitForSelector("#side", { state: "visible" });
  await shot(page, "drawer-320");
  await assertAccessible(page);
  for (let i = 0; i < 20; ++i) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.closest("#chat")), null);
  }
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "menu");
  await page.waitForSelector("#side", { state: "hidden" });
  await closeClean(page);
});

test("the bundled model says what it is", async () => {
  server.info = { ...server.info, builtin: true };
  const page = await openPage(browser, server.url, { locale: "zh-CN" });
  assert.match(await page.textContent("#demo"), /演示模型.*qwen-serve -m/s);
  await shot(page, "demo-zh");
  await assertAccessible(page);
  await closeClean(page);
});
