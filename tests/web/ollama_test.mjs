// Ollama's own client against qwen-serve.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Ollama } from "ollama";
import { startServer } from "./server.mjs";

const kMessages = [{ role: "user", content: "今天天气真好" }];
const kOptions = { temperature: 0, num_predict: 16, num_ctx: 2048 };
let server;
let client;
let model;

before(async () => {
  server = await startServer();
  client = new Ollama({ host: server.url });
});
after(() => server?.stop());

test("list, show, ps, version", async () => {
  const { models } = await client.list();
  model = models[0].name;
  assert.ok(models[0].details.family);
  assert.ok((await client.show({ model })).capabilities.includes("completion"));
  assert.equal((await client.ps()).models[0].name, model);
  assert.match((await client.version()).version, /^\d+\.\d+/);
});

test("chat, whole and streamed", async () => {
  const whole = await client.chat({ model, messages: kMessages, options: kOptions, keep_alive: "5m" });
  assert.ok(whole.message.content.length > 0);
  assert.ok(whole.done && whole.eval_count > 0 && whole.prompt_eval_count > 0);
  let text = "";
  let last;
  for await (const part of await client.chat({ model, messages: kMessages, options: kOptions, stream: true })) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, whole.message.content);
  assert.equal(last.done, true);
  assert.equal(last.eval_count, whole.eval_count);
});

test("generate, raw and with a system prompt", async () => {
  const raw = await client.generate({ model, prompt: "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n", raw: true, options: kOptions });
  assert.ok(raw.response.length > 0);
  let text = "";
  for await (const part of await client.generate({ model, prompt: "你好", system: "用一句话回答。", stream: true, options: kOptions }))
    text += part.response;
  assert.ok(text.length > 0);
});

test("an answer of a given form", async () => {
  const format = { type: "object", properties: { good: { type: "boolean" } }, required: ["good"], additionalProperties: false };
  const answer = JSON.parse((await client.chat({ model, messages: kMessages, format, options: kOptions })).message.content);
  assert.equal(typeof answer.good, "boolean");
});

test("vectors", async () => {
  const { embeddings } = await client.embed({ model, input: ["今天天气很好。", "退货要几天？"] });
  assert.equal(embeddings.length, 2);
  for (const vector of embeddings) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-4);
  const { embedding } = await client.embeddings({ model, prompt: "今天天气很好。" });
  const norm = Math.hypot(...embedding);
  embedding.forEach((value, i) => assert.ok(Math.abs(value / norm - embeddings[0][i]) < 1e-5));
});

test("an abort ends the stream", async () => {
  const stream = await client.chat({ model, messages: kMessages, stream: true, options: { temperature: 1.5, num_predict: 900 } });
  await assert.rejects(async () => {
    for await (const _ of stream) stream.abort();
  }, { name: "AbortError" });
});

test("errors are text", async () => {
  const refused = async (call, word) => assert.rejects(call, (error) => {
    assert.ok(error.message.includes(word), error.message);
    assert.ok(!error.message.includes("[object"), error.message);
    return true;
  });
  await refused(client.chat({ model, messages: kMessages, format: "xml" }), "format");
  await refused(client.generate({ model, prompt: "x", suffix: "y" }), "suffix");
  await refused(client.pull({ model: "x" }), "not implemented");
  await refused(client.delete({ model: "x" }), "not implemented");
  await refused(client.embed({ model, input: "x", dimensions: 100000 }), "dimensions");
});
