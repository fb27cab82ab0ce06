// OpenAI's own client against qwen-serve: a session as an application would have it, and everything that goes wrong.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { eventually, startServer } from "./server.mjs";

const kMessages = [{ role: "user", content: "今天天气真好" }];
let server;
let client;
let model;

const clientOf = (url, apiKey = "none", options = {}) =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0, timeout: 20000, ...options });
const chat = (options, request) =>
  client.chat.completions.create({ model, messages: kMessages, temperature: 0, max_tokens: 24, ...options }, request);

before(async () => {
  server = await startServer();
  client = clientOf(server.url);
});
after(() => server?.stop());

// Tokens that would end a reply, biased away: for replies that last.
async function endless() {
  const { tokens } = await client.post("/../tokenize", { body: { text: "<|im_end|><|endoftext|>", special: true } });
  assert.equal(tokens.length, 2);
  return Object.fromEntries(tokens.map((id) => [id, -100]));
}

test("models", async () => {
  const models = [];
  for await (const one of client.models.list()) models.push(one);
  assert.ok(models.length >= 1);
  model = models[0].id;
  assert.equal(models[0].object, "model");
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.models.retrieve("gpt-none"), OpenAI.NotFoundError);
});

test("embeddings", async () => {
  const input = ["今天天气真好", "hello"];
  const packed = await client.embeddings.create({ model, input });  // the client asks for base64
  const plain = await client.embeddings.create({ model, input, encoding_format: "float" });
  assert.equal(packed.data.length, 2);
  assert.deepEqual(packed.data.map((one) => one.index), [0, 1]);
  packed.data.forEach((one, i) => assert.deepEqual([...one.embedding].map(Math.fround), plain.data[i].embedding.map(Math.fround)));
  assert.ok(packed.usage.prompt_tokens > 0);
  const short = await client.embeddings.create({ model, input: "hello", dimensions: 8 });
  assert.equal(short.data[0].embedding.length, 8);
  await assert.rejects(client.embeddings.create({ model, input: "" }), OpenAI.BadRequestError);
});

test("a whole answer", async () => {
  const answer = await chat();
  assert.match(answer.id, /^chatcmpl-/);
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, model);
  assert.ok(Math.abs(answer.created - Date.now() / 1000) < 60);
  const [choice] = answer.choices;
  assert.equal(choice.index, 0);
  assert.equal(choice.message.role, "assistant");
  assert.ok(choice.message.content.length > 0);
  assert.ok(["stop", "length"].includes(choice.finish_reason));
  const { usage } = answer;
  assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  assert.ok(usage.prompt_tokens_details.cached_tokens <= usage.prompt_tokens);
});

test("a stream says the same, the role first and the usage last", async () => {
  const whole = await chat();
  const chunks = [];
  for await (const chunk of await chat({ stream: true, stream_options: { include_usage: true } })) chunks.push(chunk);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.ok(chunks.every((chunk) => chunk.object === "chat.completion.chunk" && chunk.id === chunks[0].id));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
  assert.equal(last.usage.prompt_tokens, whole.usage.prompt_tokens);
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), whole.choices[0].message.content);
  const reasons = chunks.map((chunk) => chunk.choices[0].finish_reason);
  assert.equal(reasons.pop(), whole.choices[0].finish_reason);
  assert.ok(reasons.every((reason) => reason === null));
  // Without include_usage there is none.
  for await (const chunk of await chat({ stream: true })) assert.ok(!chunk.usage && chunk.choices.length === 1);
  // The client's own accumulator agrees.
  const final = await client.chat.completions.stream({ model, messages: kMessages, temperature: 0, max_tokens: 24 })
    .finalChatCompletion();
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
});

test("a seed decides", async () => {
  const say = async (seed) => (await chat({ temperature: 1.5, top_p: 1, seed, max_tokens: 32 })).choices[0].message.content;
  assert.equal(await say(7), await say(7));
  const texts = new Set(await Promise.all([1, 2, 3, 4, 5, 6].map(say)));
  assert.ok(texts.size > 1);
});

test("a conversation of several turns, with a system prompt", async () => {
  const first = await chat({ messages: [{ role: "system", content: "用一句话回答。" }, ...kMessages] });
  const answer = await chat({
    messages: [{ role: "system", content: "用一句话回答。" }, ...kMessages, first.choices[0].message,
      { role: "user", content: [{ type: "text", text: "谢谢" }] }],
  });
  assert.ok(answer.usage.prompt_tokens > first.usage.prompt_tokens);
  assert.ok(answer.usage.prompt_tokens_details.cached_tokens > 0);
});

test("log probabilities", async () => {
  const answer = await chat({ logprobs: true, top_logprobs: 3, max_tokens: 8 });
  const { content } = answer.choices[0].logprobs;
  assert.equal(content.length, answer.usage.completion_tokens);
  for (const token of content) {
    assert.ok(token.logprob <= 0);
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0].token, token.token);  // greedy
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
    assert.ok(token.top_logprobs[1].logprob >= token.top_logprobs[2].logprob);
  }
  const bytes = Buffer.from(content.flatMap((token) => token.bytes)).toString();
  assert.ok(bytes.startsWith(answer.choices[0].message.content));
  let streamed = 0;
  for await (const chunk of await chat({ logprobs: true, top_logprobs: 3, max_tokens: 8, stream: true })) {
    streamed += chunk.choices[0].logprobs?.content?.length ?? 0;
  }
  assert.equal(streamed, content.length);
});

test("n, stop, max_tokens, logit_bias, penalties", async () => {
  const several = await chat({ n: 3, temperature: 1.5, top_p: 1, seed: 3 });
  assert.deepEqual(several.choices.map((choice) => choice.index), [0, 1, 2]);
  assert.ok(new Set(several.choices.map((choice) => choice.message.content)).size > 1);

  const { content } = (await chat()).choices[0].message;
  const stop = [...content].slice(2, 4).join("");
  const stopped = (await chat({ stop: [stop, "never this"] })).choices[0];
  assert.equal(stopped.finish_reason, "stop");
  assert.equal(stopped.message.content, content.slice(0, content.indexOf(stop)));

  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const short = await client.chat.completions.create({ model, messages: kMessages, temperature: 0, [name]: 2 });
    assert.equal(short.choices[0].finish_reason, "length");
    assert.equal(short.usage.completion_tokens, 2);
  }

  const biased = await chat({ logit_bias: { 1000: 100 }, max_tokens: 4, logprobs: true });
  assert.equal(new Set(biased.choices[0].logprobs.content.map((token) => token.token)).size, 1);
  assert.equal(biased.choices[0].logprobs.content.length, 4);
  await chat({ presence_penalty: 0.5, frequency_penalty: 0.5, top_p: 0.8, temperature: 0.5 });
});

test("completions, whole and streamed", async () => {
  const options = { model, prompt: "今天", temperature: 0, max_tokens: 8 };
  const answer = await client.completions.create(options);
  assert.equal(answer.object, "text_completion");
  assert.match(answer.id, /^cmpl-/);
  let text = "";
  for await (const chunk of await client.completions.create({ ...options, stream: true })) text += chunk.choices[0]?.text ?? "";
  assert.equal(text, answer.choices[0].text);
  assert.ok(answer.usage.completion_tokens <= 8);
});

test("an abort frees the place", async () => {
  const logit_bias = await endless();
  const controller = new AbortController();
  const stream = await chat({ stream: true, max_tokens: 900, logit_bias }, { signal: controller.signal });
  let chunks = 0;
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content && ++chunks === 3) controller.abort();
  }
  assert.ok(chunks < 1000);
  await eventually("nothing runs", async () => await server.metric("qwen_jobs_running") === 0);
  assert.ok((await chat({ max_tokens: 2 })).choices[0].message.content);
});

test("what is wrong is refused, by name", async () => {
  const cases = [
    [{ temperature: "hot" }, "temperature"], [{ temperature: -1 }, "temperature"], [{ tool_choice: "required" }, "tool_choice"], [{ top_p: 2 }, "top_p"],
    [{ max_tokens: 0 }, "max_tokens"], [{ n: 0 }, "n"], [{ logprobs: true, top_logprobs: 50 }, "top_logprobs"],
    [{ messages: [] }, "messages"], [{ messages: [{ role: "wizard", content: "x" }] }, "messages[0].role"],
    [{ stop: 5 }, "stop"], [{ seed: 1.5 }, "seed"], [{ response_format: { type: "xml" } }, "response_format"],
    [{ tools: [{ type: "function", function: { name: "f g" } }] }, "tools"], [{ no_such_field: 1 }, "no_such_field"],
    [{ logit_bias: { x: 1 } }, "logit_bias"],
  ];
  for (const [wrong, name] of cases) {
    await assert.rejects(chat(wrong), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, `${JSON.stringify(wrong)}: ${error}`);
      assert.equal(error.status, 400);
      assert.equal(error.type, "invalid_request_error");
      assert.ok(error.param?.startsWith(name), `${JSON.stringify(wrong)}: param ${error.param}`);
      return true;
    });
  }
  await assert.rejects(chat({ messages: [{ role: "user", content: "很长".repeat(20000) }] }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, "context_length_exceeded");
    return true;
  });
  await assert.rejects(client.get("/nothing"), OpenAI.NotFoundError);
  assert.ok((await chat({ model: "gpt-none", store: true, metadata: { a: "b" }, parallel_tool_calls: false, tool_choice: "auto" })).choices[0]);
});

test("keys, rates and a full queue", async () => {
  const guarded = await startServer(["--parallel", "1", "--queue", "1"], { LIBQWEN_API_KEY: "open-sesame" });
  try {
    await assert.rejects(clientOf(guarded.url, "wrong-key").models.list(), OpenAI.AuthenticationError);
    client = clientOf(guarded.url, "open-sesame");
    const logit_bias = await endless();
    const controller = new AbortController();
    const long = () => chat({ stream: true, max_tokens: 900, logit_bias }, { signal: controller.signal });
    const first = (await long())[Symbol.asyncIterator]();
    await first.next();
    const second = await long();
    await assert.rejects(chat(), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError || error instanceof OpenAI.InternalServerError, String(error));
      assert.ok([429, 503].includes(error.status));
      assert.ok(Number(error.headers.get("retry-after")) >= 1);
      return true;
    });
    controller.abort();
    second.controller.abort();
    // The client's own retries get through once there is room.
    const patient = clientOf(guarded.url, "open-sesame", { maxRetries: 4 });
    assert.ok(await patient.chat.completions.create({ model, messages: kMessages, max_tokens: 2 }));
  } finally {
    client = clientOf(server.url);
    assert.equal(await guarded.stop(), 0);
  }
  const limited = await startServer(["--rate", "2"]);
  try {
    client = clientOf(limited.url);
    await chat({ max_tokens: 1 });
    await chat({ max_tokens: 1 });
    await assert.rejects(chat({ max_tokens: 1 }), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError, String(error));
      assert.ok(Number(error.headers.get("retry-after")) >= 1);
      return true;
    });
  } finally {
    client = clientOf(server.url);
    assert.equal(await limited.stop(), 0);
  }
});
