// Answers of a given form and calls of tools, through the clients that applications use: OpenAI's package, the AI SDK and
// LangChain.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { tool as langchainTool } from "@langchain/core/tools";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { startServer } from "./server.mjs";

const kText = "房间很脏，再也不来了。";
const kMessages = [{ role: "user", content: kText }];
const kReview = z.object({
  opinion: z.enum(["good", "bad"]),
  stars: z.number().int().min(1).max(5),
  words: z.array(z.string()).max(3),
});
// A schema counts characters, JavaScript UTF-16 code units: an emoji is 1 or 2.
const kWeather = z.object({ city: z.string(), days: z.number().int().min(1).max(7) });
const kTool = {
  type: "function",
  function: { name: "get_weather", description: "The weather in a city.", parameters: z.toJSONSchema(kWeather) },
};
let server;
let client;
let model;
let provider;

before(async () => {
  // The bundled model's own template does not show tools to the model.
  server = await startServer(["--chat-template", "qwen2.5", "--temp", "1"]);
  client = new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0, timeout: 20000 });
  model = (await client.models.list()).data[0].id;
  provider = createOpenAICompatible({ name: "local", baseURL: `${server.url}/v1`, supportsStructuredOutputs: true });
});
after(() => server?.stop());

const chatOpenAI = (options) =>
  new ChatOpenAI({ model, apiKey: "none", configuration: { baseURL: `${server.url}/v1` }, maxRetries: 0, ...options });

test("openai: chat.completions.parse gives an object of the schema", async () => {
  for (const seed of [1, 2, 3]) {
    const answer = await client.chat.completions.parse({
      model, messages: kMessages, seed, response_format: zodResponseFormat(kReview, "review"),
    });
    const { parsed, refusal } = answer.choices[0].message;
    assert.deepEqual(kReview.parse(parsed), parsed);
    assert.ok(!refusal);
    assert.equal(answer.choices[0].finish_reason, "stop");
  }
});

test("openai: a stream of calls, and the conversation goes on with their results", async () => {
  const stream = client.chat.completions.stream({
    model, messages: kMessages, tools: [kTool], tool_choice: "required", max_tokens: 150, seed: 4,
  });
  const names = [];
  stream.on("tool_calls.function.arguments.done", ({ name, arguments: text }) => {
    names.push(name);
    kWeather.parse(JSON.parse(text));
    assert.ok(!text.includes("\uFFFD"));  // no piece was cut within a character
  });
  const whole = await stream.finalChatCompletion();
  const { message, finish_reason: reason } = whole.choices[0];
  assert.equal(reason, "tool_calls");
  assert.ok(message.tool_calls.length >= 1);
  assert.deepEqual(names, message.tool_calls.map((call) => call.function.name));
  const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "rain" }));
  const next = await client.chat.completions.create({
    model, messages: [...kMessages, message, ...results], tools: [kTool], tool_choice: "none", max_tokens: 20,
  });
  assert.equal(typeof next.choices[0].message.content, "string");
});

test("openai: a schema that is not supported is an error of the field", async () => {
  const schema = { type: "array", uniqueItems: true };
  await assert.rejects(
    client.chat.completions.create({
      model, messages: kMessages, response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "response_format" && /uniqueItems/.test(error.message),
  );
});

test("AI SDK: generateObject", async () => {
  const { object } = await generateObject({ model: provider(model), schema: kReview, prompt: kText, seed: 1 });
  assert.deepEqual(kReview.parse(object), object);
});

test("AI SDK: tools are called, and their results come back", async () => {
  const asked = [];
  const tools = {
    get_weather: tool({
      description: "The weather in a city.",
      inputSchema: kWeather,
      execute: async (input) => {
        asked.push(kWeather.parse(input));
        return "rain";
      },
    }),
  };
  const { steps } = await generateText({
    model: provider(model), tools, toolChoice: "required", prompt: kText, maxOutputTokens: 120, stopWhen: stepCountIs(2), seed: 1,
  });
  assert.equal(steps.length, 2);
  assert.ok(asked.length >= 1);
  const stream = streamText({ model: provider(model), tools, toolChoice: "required", prompt: kText, maxOutputTokens: 120 });
  const calls = await stream.toolCalls;
  assert.ok(calls.length >= 1);
  for (const call of calls) assert.equal(call.toolName, "get_weather");
});

test("LangChain: withStructuredOutput", async () => {
  for (const method of ["jsonSchema", "functionCalling"]) {
    const answer = await chatOpenAI({ maxTokens: 200 }).withStructuredOutput(kReview, { name: "review", method }).invoke(kText);
    assert.deepEqual(kReview.parse(answer), answer);
  }
});

test("LangChain: bindTools", async () => {
  const weather = langchainTool(async () => "rain", {
    name: "get_weather", description: "The weather in a city.", schema: kWeather,
  });
  const answer = await chatOpenAI({ maxTokens: 120 }).bindTools([weather], { tool_choice: "any" }).invoke(kText);
  assert.ok(answer.tool_calls.length >= 1);
  for (const call of answer.tool_calls) kWeather.parse(call.args);
  let streamed;
  for await (const chunk of await chatOpenAI({ maxTokens: 120 }).bindTools([weather], { tool_choice: "any" }).stream(kText))
    streamed = streamed ? streamed.concat(chunk) : chunk;
  assert.ok(streamed.tool_calls.length >= 1);
  for (const call of streamed.tool_calls) kWeather.parse(call.args);
});
