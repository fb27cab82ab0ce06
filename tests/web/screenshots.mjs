// The screenshots of docs/web-page.md: the page on qwen-serve with the bundled model. QWEN_BIN_DIR/web-artifacts/web-page*.png
import { after, before, test } from "node:test";
import { closeClean, kPhone, launch, openPage, send, settled, shot } from "./browser.mjs";
import { startServer } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), startServer()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function ask(page, ...texts) {
  for (const text of texts) {
    const before = await page.locator("#messages .answer").count();
    await send(page, text);
    await page.waitForFunction((n) => document.querySelectorAll("#messages .answer").length === n, before + 1);
    await settled(page);
  }
}

test("a conversation", async () => {
  const page = await openPage(browser, server.url, { viewport: { width: 1100, height: 760 } });
  await ask(page, "I finally passed the exam today!");
  await page.click("#new");
  await page.waitForSelector("#welcome:not([hidden])");
  await ask(page, "今天的实验终于成功了，太棒了！", "房间很脏，空调也坏了，再也不来了。");
  await page.locator(".label summary").last().click();
  await page.evaluate(() => { document.getElementById("scroller").scrollTop = 0; });
  await shot(page, "web-page");
  await closeClean(page);
});

test("a phone", async () => {
  const page = await openPage(browser, server.url, { ...kPhone, locale: "zh-CN", colorScheme: "dark" });
  await ask(page, "快递晚了一个星期，盒子还是破的。", "终于通过考试了，想和你分享一下！");
  await shot(page, "web-page-phone");
  await closeClean(page);
});

test("a table", async () => {
  const page = await openPage(browser, server.url, { viewport: { width: 1100, height: 1000 } });
  await page.click("#to-batch");
  const good = ["味道很好，下次还来", "房间干净，服务热情", "物流很快，包装完好", "性价比高，推荐购买", "孩子很喜欢"];
  const bad = ["等了两个小时才送到", "质量太差，用了一天就坏了", "客服态度恶劣", "房间有异味，隔音也差", "和描述完全不符"];
  const rows = Array.from({ length: 40 }, (_, i) => {
    const positive = i % 8 < 3 + Math.floor(i / 14);
    const text = (positive ? good : bad)[i % 5];
    return `${i + 1},${text},${positive ? "正面" : "负面"},2024-03-${String(1 + Math.floor(i / 4)).padStart(2, "0")}`;
  });
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#batch-pick")]);
  await chooser.setFiles({ name: "reviews.csv", mimeType: "text/csv", buffer: Buffer.from(`编号,评论,标签,日期\n${rows.join("\n")}\n`) });
  await page.waitForSelector("#batch-work:not([hidden])");
  await page.click("#batch-start");
  await page.waitForFunction(() => document.getElementById("batch-rate").textContent === "40 of 40 rows");
  await page.selectOption("#batch-order", "unsure");
  await shot(page, "web-page-batch");
  await closeClean(page);
});
