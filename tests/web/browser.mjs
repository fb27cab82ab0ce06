// Chromium for the tests of the page: one browser, a fresh profile for each test, and everything it complains about.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

const kSource = process.env.QWEN_SOURCE_DIR;
const kBuild = process.env.QWEN_BIN_DIR;
export const kPageDir = path.join(kSource, "tools/qwen-serve/web");
export const kLibraryDir = path.join(kBuild, "tools/web/lib");
export const kArtifacts = path.join(kBuild, "web-artifacts");
mkdirSync(kArtifacts, { recursive: true });

export const kDesktop = { viewport: { width: 1280, height: 800 } };
export const kPhone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

// The policy that the server sends, from where it is written.
const header = readFileSync(path.join(kSource, "tools/qwen-serve/web_files.h"), "utf8");
export const kPolicy = [...header.slice(header.indexOf("kWebSecurityPolicy")).matchAll(/"([^"]*)"/g)]
  .map((match) => match[1]).join("");
assert.match(kPolicy, /font-src 'self'.*trusted-types 'none'$/);

export async function launch() {
  return chromium.launch({
    executablePath: process.env.QWEN_CHROMIUM ?? "/usr/bin/chromium",
    // Containers seldom let it have a sandbox or much of /dev/shm; all it ever sees is our own page.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

// A page at `url`. page.complaints: console errors and warnings, uncaught errors, dialogs, requests to elsewhere.
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ locale: "en-US", reducedMotion: "reduce", ...kDesktop, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => page.complaints.push(`uncaught: ${error.stack}`));
  page.on("dialog", (dialog) => {
    page.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !to.startsWith("blob:")) page.complaints.push(`request to ${to}`);
  });
  await page.goto(url);
  // Until it knows the server, asks for the key, or says that there is none.
  await page.waitForFunction(() => document.getElementById("model").textContent !== "" ||
    document.querySelector("dialog[open], #banner:not([hidden])"));
  return page;
}

// No complaint, but for those that the test has provoked.
export async function closeClean(page, ...expected) {
  const rest = page.complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
  await page.context().close();
  assert.deepEqual(rest, []);
}

export async function send(page, text) {
  await page.fill("#input", text);
  await page.press("#input", "Enter");
}

// Until the last answer has ended in one way or another.
export async function settled(page) {
  await page.waitForFunction(() => {
    const answers = document.querySelectorAll("#messages .answer");
    return answers.length > 0 && answers[answers.length - 1].getAttribute("aria-busy") === "false";
  });
}

export const shot = (page, name) => page.screenshot({ path: path.join(kArtifacts, `${name}.png`) });

let axe = null;

// What axe-core finds wrong for people with a screen reader, a keyboard, or weak eyes.
export async function assertAccessible(page) {
  axe ??= readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
  });
  assert.deepEqual(found, []);
}
