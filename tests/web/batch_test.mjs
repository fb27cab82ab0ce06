// The batch page: a table comes in, every row gets a label, a person corrects, the table goes out.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { assertAccessible, closeClean, kLibraryDir, kPageDir, kPhone, kPolicy, launch, openPage, shot } from "./browser.mjs";
import { defaultLabel, startStandIn } from "./stand_in.mjs";

const csv = await import(path.join(kPageDir, "csv.js"));

let browser;
let server;

before(async () => {
  server = await startStandIn({ pageDir: kPageDir, libraryDir: kLibraryDir, policy: kPolicy });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => {
  server.classify = defaultLabel;
  server.classified.length = 0;
});

async function openBatch(options) {
  const page = await openPage(browser, server.url, options);
  await page.click("#to-batch");
  await page.waitForSelector("#batch-pick", { state: "visible" });
  return page;
}

async function pick(page, name, content, button = "#batch-pick") {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click(button)]);
  await chooser.setFiles({ name, mimeType: "text/csv", buffer: Buffer.isBuffer(content) ? content : Buffer.from(content) });
  await page.waitForSelector("#batch-work:not([hidden])");
}

async function downloaded(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#batch-download")]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

const finished = (page, total) => page.waitForFunction((n) => document.getElementById("batch-rate").textContent === `${n} of ${n} rows`, total);

test("RFC 4180, other delimiters, broken rows; what is written reads back the same", () => {
  const rows = (text, delimiter) => csv.parseTable(text, delimiter).map(({ cells }) => cells);
  assert.deepEqual(rows('a,b\r\n"x ""y""","two\nlines"\r\n,\r\n', ","), [["a", "b"], ['x "y"', "two\nlines"], ["", ""]]);
  assert.deepEqual(rows("\ufeffa;b\n1;2", ";"), [["a", "b"], ["1", "2"]]);
  assert.deepEqual(rows("a\n\nb\n", ","), [["a"], ["b"]]);
  assert.deepEqual(csv.parseTable('a,"b', ",")[0], { cells: ["a", "b"], line: 1, broken: "quote" });
  assert.deepEqual(csv.parseTable('x\n"a"b,c', ",")[1], { cells: ["ab", "c"], line: 2, broken: "afterQuote" });
  assert.equal(csv.parseTable('"1\n2\r\n3",x\nlast,y', ",")[1].line, 4);
  for (const cells of [["a", "b,c"], ['"', "\n"], ["", "\r\n"], ["；", "\t"]]) {
    for (const delimiter of [",", ";", "\t"]) assert.deepEqual(rows(csv.formatTable([cells, cells], delimiter), delimiter), [cells, cells]);
  }
  assert.equal(csv.findDelimiter("a,b\n1,2\n3,4\n"), ",");
  assert.equal(csv.findDelimiter("label\ttext\n1\tgood, really good\n0\tbad\n"), "\t");
  assert.equal(csv.findDelimiter("one line\nanother line, with a comma\n"), null);
  const table = csv.readTable('id,评论,label,日期\n1,"很好，喜欢",1,2024/3/9\n2,差,0,2024-03-10\n3,少一列\n');
  assert.deepEqual(table.header, ["id", "评论", "label", "日期"]);
  assert.equal(table.rows.length, 3);
  assert.deepEqual(table.rows.map((row) => row.broken), [undefined, undefined, "width"]);
  assert.equal(csv.findLabelColumn(table), 2);
  assert.equal(csv.findDateColumn({ ...table, rows: table.rows.slice(0, 2) }), 3);
  assert.equal(csv.dayOf("2024/3/9 10:00"), "2024-03-09");
  assert.equal(csv.dayOf("2024年3月9日"), "2024-03-09");
  assert.equal(csv.dayOf("9.3."), null);
  const lines = csv.readTable('she said "hi\nsecond\n');
  assert.deepEqual(lines.rows.map(({ cells, broken }) => [cells[0], broken]), [['she said "hi', undefined], ["second", undefined]]);
});

test("from a file of Excel's in GB18030 to a corrected, charted, downloaded table", async () => {
  const page = await openBatch();
  await shot(page, "batch-empty");
  await assertAccessible(page);
  // "编号,评论,标签,日期" and four rows, as Excel writes them in Chinese.
  const gb = Buffer.from("b1e0bac52cc6c0c2db2cb1eac7a92cc8d5c6da0d0a312cbadcbac32cd5fdc3e62c323032342d30312d30320d0a322cb2ee2cb8bac3e62c323032342d30312d30330d0a332ccbb5b2bbc7e5b0c92cb8bac3e62c323032342d30312d30330d0a342cb2bbb4ed2c312c323032342d30312d30340d0a", "hex");
  await pick(page, "评论.csv", gb);
  assert.deepEqual(await page.locator("#batch-preview th").allTextContents(), ["编号", "评论", "标签", "日期"]);
  assert.equal(await page.inputValue("#batch-encoding"), "gb18030");
  assert.equal(await page.inputValue("#batch-text"), "1");
  assert.equal(await page.inputValue("#batch-label"), "2");
  assert.equal(await page.inputValue("#batch-date"), "3");
  await page.click("#batch-start");
  await finished(page, 4);
  assert.deepEqual(server.classified, [{ task: "sentiment", texts: ["很好", "差", "说不清吧", "不错"] }]);
  assert.deepEqual(await page.locator(".label-chart tr").allTextContents(), ["▲ positive250.0%", "▼ negative125.0%", "◆ not sure125.0%"]);
  assert.match(await page.textContent(".accuracy p"), /^Accuracy 75\.0%: 3 of 4 rows/);
  assert.equal(await page.locator(".time-chart rect").count(), 4);
  assert.match(await page.textContent(".time-chart title"), /from 2024-01-02 to 2024-01-04/);
  await shot(page, "batch-done");
  await assertAccessible(page);
  // The least certain first; corrected by hand.
  await page.selectOption("#batch-order", "unsure");
  assert.match(await page.textContent(".results tbody tr:first-child"), /3说不清吧◆ 🤔 not sure.*file: negative/);
  await page.selectOption(".results tbody tr:first-child select", "负面");
  assert.deepEqual(await page.locator(".label-chart tr").allTextContents(), ["▲ positive250.0%", "▼ negative250.0%"]);
  await page.selectOption("#batch-filter", "corrected");
  assert.equal(await page.locator(".results tbody tr").count(), 1);
  const file = await downloaded(page);
  assert.equal(file.name, "评论-labeled.csv");
  assert.equal(file.text, "\ufeff编号,评论,标签,日期,label,probability,corrected\r\n1,很好,正面,2024-01-02,正面,0.9700,\r\n" +
    "2,差,负面,2024-01-03,负面,0.9700,\r\n3,说不清吧,负面,2024-01-03,负面,0.5500,1\r\n4,不错,1,2024-01-04,正面,0.9700,\r\n");
  // It is there again after a reload.
  await page.reload();
  await finished(page, 4);
  assert.equal((await downloaded(page)).text, file.text);
  await page.click("#batch-forget");
  await page.waitForSelector("#batch-pick", { state: "visible" });
  await page.reload();
  await page.waitForSelector("#batch-pick", { state: "visible" });
  await closeClean(page);
});

test("5,000 rows: cancel, a server that is busy and goes away, resume, no stutter", async () => {
  const page = await openBatch();
  const lines = Array.from({ length: 5000 }, (_, i) => `${i},${i % 3 ? "good" : "bad"} number ${i}`);
  await pick(page, "many.csv", `id,text\n${lines.join("\n")}\n`);
  // The longest time for which the page could not answer.
  await page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    setInterval(() => {
      window.longest = Math.max(window.longest, performance.now() - last);
      last = performance.now();
    }, 10);
  });
  await page.click("#batch-start");
  await page.waitForFunction(() => document.getElementById("batch-progress").value > 200);
  await page.click("#batch-cancel");
  await page.waitForSelector("#batch-start", { state: "visible" });
  assert.equal(await page.textContent("#batch-start"), "Resume");
  const before = await page.evaluate(() => document.getElementById("batch-progress").value);
  assert.ok(before < 5000);
  let refusals = 1;
  server.classify = (text) => (refusals-- > 0 ? { fail: [503, "queue_full", "full", { "Retry-After": "1" }] } : defaultLabel(text));
  await page.click("#batch-start");
  await page.waitForFunction((n) => document.getElementById("batch-progress").value > n + 200, before);
  await server.stop();
  await page.waitForTimeout(500);
  await server.start();
  await finished(page, 5000);
  const texts = server.classified.flatMap((body) => body.texts);
  assert.equal(new Set(texts).size, 5000);
  const file = await downloaded(page);
  const rows = file.text.trim().split("\r\n");
  assert.equal(rows.length, 5001);
  assert.equal(rows[5000], "4999,good number 4999,正面,0.9700,");
  await page.click("text=Next");
  assert.match(await page.textContent(".pager span"), /^Page 2 of 100 · 5000 rows$/);
  assert.ok(await page.evaluate(() => window.longest) < 3000, "the page froze");
  await closeClean(page, /503|ERR_CONNECTION/);
});

test("a text that the server refuses is a row of its own; broken rows are told and kept", async () => {
  const page = await openBatch();
  server.classify = (text) => (text === "evil" ? { fail: [400, "invalid_value", "this text is refused"] } : defaultLabel(text));
  await pick(page, "few.csv", 'id,text\n1,good\n2,evil\n3,\n4,"never closed\n');
  assert.match(await page.textContent("#batch-broken"), /^1 row has a broken quote.*\(line 5\)/);
  await page.click("#batch-start");
  await finished(page, 4);
  await page.selectOption("#batch-filter", "error");
  assert.deepEqual(await page.locator(".results tbody tr").allTextContents(), ["2evilthis text is refused", "3The text is empty."]);
  const { text } = await downloaded(page);
  assert.match(text, /\r\n2,evil,,,\r\n3,,,,\r\n4,"never closed\n",正面,0.9700,\r\n$/);
  await closeClean(page, /400/);
});

test("pasted lines, on a phone, in Chinese; another task", async () => {
  const page = await openBatch({ ...kPhone, locale: "zh-CN" });
  await page.fill("#batch-lines", "很好\n太差了，退货\n");
  await page.click("#batch-paste");
  await page.waitForSelector("#batch-work:not([hidden])");
  assert.equal(await page.locator("#batch-preview td").count(), 2);
  await page.selectOption("#batch-task", "intent");
  await page.click("#batch-start");
  await page.waitForFunction(() => document.getElementById("batch-rate").textContent === "2 / 2 行");
  assert.equal(server.classified.at(-1).task, "intent");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await shot(page, "batch-phone-zh");
  await assertAccessible(page);
  await page.click("#to-chat");
  await page.waitForSelector("#input", { state: "visible" });
  await closeClean(page);
});

test("a file of Excel or one that is not text is refused by name, with advice", async () => {
  const page = await openBatch();
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#batch-pick")]);
  await chooser.setFiles({ name: "x.xlsx", mimeType: "text/csv", buffer: Buffer.from([0x50, 0x4b, 3, 4, 0xff, 0xff, 0xfe, 0x80]) });
  await page.waitForSelector("#toast:not([hidden])");
  assert.equal(await page.textContent("#toast span"), "x.xlsx is an Excel file. Save the table as CSV in Excel, then choose that file.");
  assert.equal(await page.isVisible("#batch-pick"), true);
  await closeClean(page);
});

test("files are dropped on the table and on the conversation", async () => {
  const page = await openBatch();
  const dropped = (name, text) => page.evaluateHandle(([file, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content], file));
    return data;
  }, [name, text]);
  await page.dispatchEvent("#batch", "drop", { dataTransfer: await dropped("x.tsv", "text\tn\ngood\t1\nbad\t2\n") });
  await page.waitForSelector("#batch-work:not([hidden])");
  assert.deepEqual(await page.locator("#batch-preview th").allTextContents(), ["text", "n"]);
  await page.click("#batch-start");
  await finished(page, 2);
  assert.equal((await downloaded(page)).name, "x-labeled.tsv");
  await page.click("#to-chat");
  await page.dispatchEvent("#chat", "drop", { dataTransfer: await dropped("note.txt", "hello") });
  await page.waitForSelector(".chip");
  assert.match(await page.textContent(".chip"), /^note\.txt/);
  await closeClean(page);
});
