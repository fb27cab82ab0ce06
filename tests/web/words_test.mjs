// The page's words: both languages have the same, each is used, and each that is used is there.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

const folder = path.join(process.env.QWEN_SOURCE_DIR, "tools/qwen-serve/web");
const { default: en } = await import(path.join(folder, "words.en.js"));
const { default: zh } = await import(path.join(folder, "words.zh.js"));

const sources = async () => {
  const names = (await readdir(folder)).filter((name) => /\.(js|html)$/.test(name) && !name.startsWith("words."));
  const texts = await Promise.all(names.map((name) => readFile(path.join(folder, name), "utf8")));
  return texts.map((text) => text.replace(/^\s*\/\/.*$/gm, ""));  // without comments
};
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

test("English and Chinese have the same words with the same values to fill in", () => {
  assert.deepEqual(Object.keys(en).sort(), Object.keys(zh).sort());
  for (const [name, text] of Object.entries(en)) {
    assert.equal(typeof zh[name], typeof text, name);
    if (typeof text === "string") assert.deepEqual(placeholders(zh[name]), placeholders(text), name);
  }
  assert.deepEqual(Object.keys(en.tasks), Object.keys(zh.tasks));
  for (const name of ["examples", "demoExamples"]) assert.equal(en[name].length, zh[name].length, name);
});

test("no word is unused, none is missing", async () => {
  const texts = await sources();
  const quoted = new Set(texts.flatMap((text) => [...text.matchAll(/["`']([A-Za-z_]\w*)["`']/g)].map((match) => match[1])));
  const unused = Object.keys(en).filter((name) => !name.startsWith("kind_") && !quoted.has(name));
  assert.deepEqual(unused, []);
  const used = texts.flatMap((text) => [...text.matchAll(/\bt\("(\w+)"|data-i18n(?:-\w+)?="(\w+)"/g)].map((match) => match[1] || match[2]));
  assert.ok(used.length > 150);
  assert.deepEqual(used.filter((name) => !(name in en)), []);
  for (const kind of ["positive", "negative", "unsure", "plain"]) assert.ok(`kind_${kind}` in en);
  // Every kind of ApiError has its sentence.
  for (const kind of ["auth", "busy", "refused", "failed", "offline", "broken"]) assert.ok(kind in en, kind);
});

test("Chinese says 你 nowhere and 您 nowhere, and has no English full stop or ASCII quotes", () => {
  for (const [name, text] of Object.entries(zh)) {
    if (typeof text !== "string") continue;
    assert.doesNotMatch(text, /[你您]/, name);
    assert.doesNotMatch(text, /[\u4e00-\u9fff][.,;!?"']/, name);
  }
});
