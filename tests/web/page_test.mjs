// The page against a stand-in for the server, which can be made to say anything and to break in any way.
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
  server.key = null;
  server.ready = true;
  server.requests.length = 0;
});

const turn = "#messages .answer:last-of-type";
const replyOf = (page) => page.locator(`${turn} .body`);
const kCode = "Of course:\n\n```python\ndef reverse(text: str) -> str:\n    \"\"\"Returns the text backwards.\"\"\"\n" +
  "    return text[::-1]  # a slice that steps by minus one, with a comment long enough to scroll sideways on any screen\n\n" +
  "print(reverse(\"<b>&amp;</b>\"), 42)\n```\n\nIt uses a **slice** of `text`.\n\n1. copy it\n2. run it\n\n" +
  "| in | out |\n|:---|---:|\n| abc | cba |\n\n> Simple is better.\n\n- [x] done\n- [ ] <i>not</i> done\n\n[docs](https://docs.python.org/3/)";

function scripted(...replies) {
  server.script = async (body, answer) => {
    answer.sentiment();
    await answer.say(replies.length > 1 ? replies.shift() : replies[0], 1);
    answer.done();
  };
}

test("the label comes first, with emoji and probability, then the reply; figures at its end", async () => {
  const page = await openPage(browser, server.url);
  assert.equal(await page.title(), "qwen-serve");
  assert.equal(await page.textContent("#model"), "stand-in-0.5b");
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  server.script = async (body, answer) => {
    answer.sentiment("正面", 0.973);
    await gate;
    await answer.say("Good **news**.", 1);
    answer.done();
  };
  await send(page, "  I passed!  ");
  const label = page.locator(".label summary");
  await label.waitFor();
  assert.equal(await label.textContent(), "😄Sentiment:▲positive97.3%");
  assert.equal(await replyOf(page).textContent(), "Working");
  release();
  await settled(page);
  assert.equal(await replyOf(page).innerHTML(), "<p>Good <strong>news</strong>.</p>");
  assert.match(await page.textContent(".stats"), /^2 tokens · [\d.]+ tokens\/s · first after 83 ms$/);
  assert.match(await page.getAttribute(".stats", "title"), /31 prompt tokens, 24 of them cached/);
  await label.click();
  assert.deepEqual(await page.locator(".label tr").allTextContents(), ["positive97.3%", "negative2.7%"]);
  assert.deepEqual(server.requests, [{ text: "I passed!", messages: [], task: "sentiment", reply: "chat", max_tokens: 512 }]);
  assert.match(await page.textContent("#announcer"), /^Reply: Good/);
  await closeClean(page);
});

test("Markdown with coloured code and copy buttons", async () => {
  const page = await openPage(browser, server.url, { permissions: ["clipboard-read", "clipboard-write"] });
  scripted(kCode);
  await send(page, "Write code");
  await settled(page);
  await page.waitForSelector(".hljs-keyword");
  const code = page.locator(".code code");
  assert.match(await code.textContent(), /^def reverse[^]*print\(reverse\("<b>&amp;<\/b>"\), 42\)$/);
  assert.equal(await page.textContent(".code .bar"), "python");
  assert.equal(await page.locator(".body ol li").count(), 2);
  assert.deepEqual(await page.locator(".body ul li").allTextContents(), ["☑ done", "☐ <i>not</i> done"]);
  assert.equal(await page.locator(".body td").last().evaluate((cell) => getComputedStyle(cell).textAlign), "right");
  assert.equal(await page.getAttribute(".body a", "rel"), "noopener noreferrer nofollow");
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.click(".code button");
  assert.equal(await clipboard(), await code.textContent());
  await page.click(".tools button[title='Copy the reply']");
  assert.equal(await clipboard(), kCode);
  await page.hover(".user");
  await page.click(".user button[title='Copy the message']");
  assert.equal(await clipboard(), "Write code");
  await shot(page, "code-light");
  await assertAccessible(page);
  await page.click("#theme");
  await shot(page, "code-dark");
  await assertAccessible(page);
  await closeClean(page);
});

test("HTML from the user or the model does nothing", async () => {
  const page = await openPage(browser, server.url);
  const hostile = [
    "<script>window.hit=1</script>",
    "<img src=x onerror='window.hit=1'>",
    "<svg onload='window.hit=1'><script>window.hit=1</script></svg>",
    "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=1>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe><iframe src='javascript:parent.hit=1'></iframe>",
    "<style>body{display:none}</style><link rel=stylesheet href=https://evil.example/x.css>",
    "<form action=https://evil.example><button>x</button></form><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<details open ontoggle=window.hit=1><base href=https://evil.example><object data=javascript:window.hit=1>",
    "[a](javascript:window.hit=1) [b](JaVaScRiPt&#58;window.hit=1) [c](java\tscript:window.hit=1) [c2](<java\nscript:window.hit=1>)",
    "[d](data:text/html,<script>window.hit=1</script>) [e](vbscript:x) [f](/api/info) [g](//evil.example/x \"t\" onclick=\"window.hit=1)",
    "![i](https://evil.example/track.png) ![j](x\" onerror=\"window.hit=1) <https://example.com/\"onmouseover=\"window.hit=1>",
    "```\"onload=\"window.hit=1\n<script>window.hit=1</script>\n```",
    "```html\n<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>\n```",
    "| <img src=x onerror=window.hit=1> | b |\n|---|---|\n| <svg onload=window.hit=1> | `<script>` |",
    "&lt;img src=x onerror=window.hit=1&gt; &amp;lt;script&amp;gt; `&lt;script&gt;`",
    "<a href='javascript:window.hit=1'>x</a><input autofocus onfocus=window.hit=1><template><img></template>",
    "</div></article><script>window.hit=1</script><!--> <![CDATA[ <img src=x onerror=window.hit=1> ]]>",
    `${">".repeat(3000)} deep`,
    `${"- ".repeat(500)}deep`,
    "[".repeat(5000),
  ];
  const allowed = new Set(["ARTICLE", "DIV", "H2", "H3", "H4", "H5", "H6", "P", "BR", "STRONG", "EM", "DEL", "CODE", "PRE", "SPAN", "A", "UL", "OL",
    "LI", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "BLOCKQUOTE", "HR", "BUTTON", "SVG", "USE", "DETAILS", "SUMMARY", "I", "SECTION"]);
  for (const text of [...hostile, hostile.slice(0, 18).join("\n\n")]) {
    scripted(text);
    await send(page, text.slice(0, 20000));
    await settled(page);
    const seen = await page.evaluate(() => ({
      hit: window.hit,
      tags: [...new Set([...document.querySelectorAll("#messages *")].map((node) => node.tagName.toUpperCase()))],
      attributes: [...document.querySelectorAll("#messages *")].flatMap((node) => [...node.attributes].map(({ name, value }) =>
        /^on|style/i.test(name) && !/^(--share|text-align): [\w.%]+;$/.test(value) ? `${name}=${value}` : null)).filter(Boolean),
      links: [...document.querySelectorAll("#messages a")].map((link) => link.getAttribute("href")),
    }));
    assert.equal(seen.hit, undefined, text);
    assert.deepEqual(seen.tags.filter((tag) => !allowed.has(tag)), [], text);
    assert.deepEqual(seen.attributes, [], text);
    assert.deepEqual(seen.links.filter((href) => !/^(https?|mailto):/.test(href)), [], text);
    assert.equal(await page.textContent(".user .said"), text.slice(0, 20000).trim());
    await page.click("#new");  // so that a page full of it does not slow the rest
    await page.waitForSelector("#welcome:not([hidden])");
  }
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).display), "flex");
  // Hostile values in every other field of the protocol.
  const evil = "<img src=x onerror=window.hit=1>";
  server.script = async (body, answer) => {
    answer.sentiment(evil, 0.5);
    answer.error(evil);
  };
  await send(page, evil);
  await page.waitForSelector(".notice");
  assert.equal(await page.locator("#messages img").count(), 0);
  assert.match(await page.textContent(".notice"), /<img src=x/);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  // And the second line of defence: the policy itself refuses HTML from strings, inline handlers and inline scripts.
  const refused = await page.evaluate(() => {
    try {
      document.createElement("div").innerHTML = "<b>x</b>";
      return false;
    } catch (error) {
      return error instanceof TypeError;
    }
  });
  assert.equal(refused, true);
  await closeClean(page, /Trusted ?(Type|HTML)/i);
});

test("label only, reply only, never neither", async () => {
  const page = await openPage(browser, server.url);
  await page.click("#settings");
  await page.selectOption("#set-reply", "");
  await page.selectOption("#set-task", "");
  assert.equal(await page.inputValue("#set-reply"), "chat");
  await page.selectOption("#set-task", "sentiment");
  await page.selectOption("#set-reply", "");
  await page.click("#panel .primary");
  server.script = async (body, answer) => { answer.sentiment("负面", 0.6); answer.done(); };
  await send(page, "hm");
  await settled(page);
  assert.equal(server.requests[0].reply, null);
  assert.match(await page.textContent(".label summary"), /😢.*negative/);
  assert.equal(await page.isVisible(`${turn} .body`), false);
  await page.click("#settings");
  await page.click("#set-defaults");
  assert.equal(await page.inputValue("#set-reply"), "chat");
  await closeClean(page);
});

test("a busy server: counts down, gives up on Esc, tries again by itself, tells the place in the line", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => answer.fail(503, "overloaded", "draining", { "Retry-After": "600" });
  await send(page, "hello");
  await page.waitForSelector(".notice");
  assert.match(await page.textContent(".notice"), /The server is busy\. Trying again in \d+ s\./);
  await shot(page, "busy");
  await page.focus(".notice button");
  const shown = await page.textContent(".notice span");
  await page.waitForFunction((text) => document.querySelector(".notice span").textContent !== text, shown);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Try now");
  await page.keyboard.press("Escape");
  assert.equal(await page.textContent(".notice span"), "The server is busy.");
  let calls = 0;
  server.script = async (body, answer) => {
    calls += 1;
    if (calls === 1) return answer.fail(429, "queue_full", "the queue is full", { "Retry-After": "1" });
    answer.queued(3);
    await page.waitForFunction(() => document.querySelector(".waiting")?.textContent === "Waiting in line, 3 ahead");
    answer.queued(0);
    await page.waitForFunction(() => document.querySelector(".waiting")?.textContent === "Waiting in line, next");
    return usual(body, answer);
  };
  await page.click(".notice button");
  await page.waitForSelector(".stats");
  assert.equal(calls, 2);
  assert.match(await replyOf(page).textContent(), /That sounds good/);
  await closeClean(page, /429|503/);
});

test("a server that breaks off, goes and comes back", async () => {
  const page = await openPage(browser, server.url);
  await send(page, "first");
  await settled(page);
  server.script = async (body, answer) => {
    answer.sentiment("负面", 0.92);
    await answer.say("I am sorry to hear", 1);
    await page.waitForFunction((css) => document.querySelector(css)?.textContent === "I am sorry to hear", `${turn} .body`);
    answer.drop();
  };
  await send(page, "The parcel was late");
  await page.waitForSelector(".notice");
  assert.equal(await page.textContent(".notice span"), "The connection broke before the reply was complete.");
  assert.equal(await replyOf(page).textContent(), "I am sorry to hear");
  await shot(page, "broken");
  await server.stop();
  await page.click(".notice button");
  await page.waitForFunction(() => document.querySelector(".notice span")?.textContent.startsWith("The server does not answer"));
  await page.waitForSelector("#banner:not([hidden])");
  assert.equal(await replyOf(page).textContent(), "I am sorry to hear");
  await page.fill("#input", "typed meanwhile");
  await shot(page, "offline");
  await assertAccessible(page);
  server.script = usual;
  await server.start();
  await page.waitForSelector("#banner", { state: "hidden" });
  await page.click(".notice button");
  await page.waitForSelector(`${turn} .stats`);
  assert.match(await replyOf(page).textContent(), /That sounds good/);
  assert.equal(await page.inputValue("#input"), "typed meanwhile");
  // An error event, and a refusal, in the server's words.
  server.script = async (body, answer) => { answer.sentiment(); answer.error("out of pencils"); };
  await send(page, "x");
  await page.waitForSelector(".notice");
  assert.equal(await page.textContent(".notice span"), "The server could not answer: out of pencils");
  server.script = async (body, answer) => answer.fail(413, "too_large", "the text has 9999 tokens, more than 2048");
  await page.click(".notice button");
  await page.waitForFunction(() => document.querySelector(".notice span")?.textContent.includes("9999"));
  await closeClean(page, /ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK)|404|413/);
});

test("a server that is not ready yet", async () => {
  server.ready = false;
  const page = await openPage(browser, server.url);
  assert.match(await page.textContent("#banner"), /^The server takes no requests yet/);
  await page.click("#language");
  assert.match(await page.textContent("#banner"), /^服务器暂不接受请求/);
  await page.click("#settings");  // what needs the server's answer is empty, the rest works
  await page.fill("#set-length", "50");
  await page.keyboard.press("Escape");
  server.ready = true;
  await page.waitForSelector("#banner", { state: "hidden" });
  assert.equal(await page.textContent("#model"), "stand-in-0.5b");
  await send(page, "hello");
  await settled(page);
  assert.deepEqual(server.requests, [{ text: "hello", messages: [], task: "sentiment", reply: "chat", max_tokens: 50 }]);
  await closeClean(page, /503/);
});

test("a server that wants a key", async () => {
  server.key = "sesame";
  const page = await openPage(browser, server.url);
  await page.waitForSelector("#key-dialog[open]");
  await page.fill("#key", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#key-wrong:not([hidden])");
  await shot(page, "key");
  await assertAccessible(page);
  await page.fill("#key", "sesame");
  await page.click("#key-dialog .primary");
  await page.waitForFunction(() => document.getElementById("model").textContent === "stand-in-0.5b");
  await send(page, "open");
  await settled(page);
  assert.match(await replyOf(page).textContent(), /That sounds good/);
  assert.equal(await page.evaluate(() => localStorage.getItem("qwen.key")), null);  // only until the tab closes
  server.key = "changed";
  await send(page, "again");
  await page.waitForSelector("#key-dialog[open]");
  await page.click("#key-cancel");
  await settled(page);
  assert.equal(await page.textContent(`${turn} .notice span`), "The server wants an API key.");
  await closeClean(page, /401/);
});

test("keyboard alone, with an input method too", async () => {
  const page = await openPage(browser, server.url);
  assert.equal(await page.evaluate(() => document.activeElement.id), "input");
  await page.keyboard.type("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  // Enter that ends a composition sends nothing.
  await page.evaluate(() => document.getElementById("input").dispatchEvent(
    new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(server.requests.length, 0);
  await page.keyboard.press("Enter");
  await settled(page);
  assert.equal(server.requests[0].text, "one\ntwo");
  assert.equal(await page.evaluate(() => document.activeElement.id), "input");
  // Everything can be reached, and shows where the focus is.
  await page.evaluate(() => document.activeElement.blur());
  const reached = [];
  for (let i = 0; i < 30; ++i) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => {
      const { activeElement: node } = document;
      return node.id || node.title || node.tagName;
    }));
  }
  for (const name of ["new", "export", "language", "theme", "settings", "SUMMARY", "Copy the message", "Copy the reply", "Regenerate", "search", "import", "export-all", "attach", "input"]) {
    assert.ok(reached.includes(name), `${name} in ${reached}`);
  }
  await page.focus("#settings");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#panel[open]");
  await assertAccessible(page);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "settings");
  await closeClean(page);
});

test("a phone, dark, in Chinese; the language changes and stays", async () => {
  const page = await openPage(browser, server.url, { ...kPhone, locale: "zh-CN", colorScheme: "dark" });
  assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
  await shot(page, "phone-zh-dark-empty");
  await assertAccessible(page);
  scripted("听起来真让人开心！好天气总能让心情也明亮起来。\n\n" + kCode);
  await page.tap("#examples button");
  await settled(page);
  await page.waitForSelector(".hljs-keyword");
  assert.match(await page.textContent(".label summary"), /LLM 情感判断：▲正面97\.3%/);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth ||
    [...document.querySelectorAll("header, footer, #messages, .label, .code, #composer, #chat-bar")].some((node) => {
      const box = node.getBoundingClientRect();
      return box.left < 0 || box.right > innerWidth;
    }));
  assert.equal(wide, false);
  await shot(page, "phone-zh-dark");
  await assertAccessible(page);
  await page.tap("#settings");
  await shot(page, "phone-settings");
  await page.keyboard.press("Escape");
  await page.tap("#language");
  assert.equal(await page.getAttribute("#input", "placeholder"), "Write a message");
  assert.match(await page.textContent(".label summary"), /Sentiment:▲positive/);
  await page.tap("#theme");
  await page.reload();
  await page.waitForSelector(".answer");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  assert.equal(await page.getAttribute("html", "data-shown"), "light");
  await shot(page, "phone-en-light");
  await closeClean(page);
});

test("a long reply is followed to its end, unless the reader has scrolled up", async () => {
  const page = await openPage(browser, server.url);
  server.script = async (body, answer) => {
    for (let i = 0; i < 60 && !answer.closed; ++i) {
      answer.delta(`line ${i}\n\n`);
      await answer.pause(15);
    }
    answer.done("length", { usage: { prompt_tokens: 9, completion_tokens: length } });
  };
  let length = 512;
  await send(page, "count");
  await settled(page);
  const distance = () => page.evaluate(() => {
    const main = document.getElementById("scroller");
    return main.scrollHeight - main.scrollTop - main.clientHeight;
  });
  assert.ok(await distance() < 5);
  assert.match(await page.textContent(".aside"), /longest length/);
  await send(page, "count on");
  await page.waitForFunction(() => document.querySelector("#messages .answer:last-of-type .body")?.textContent.includes("line 5"));
  await page.evaluate(() => { document.getElementById("scroller").scrollTop = 0; });
  length = 60;  // of 512: what ended it was the context
  await settled(page);
  assert.match(await page.textContent(`${turn} .aside`), /filled the model's context/);
  assert.ok(await distance() > 500);
  await page.click("#down");
  assert.ok(await distance() < 5);
  await closeClean(page);
});
