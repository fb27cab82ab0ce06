// A public validator checks the OpenAPI document.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { startServer } from "./server.mjs";

let server;

before(async () => {
  server = await startServer([], { LIBQWEN_API_KEY: "" });
});
after(() => server?.stop());

async function check(document) {
  const validator = new Validator();
  return { result: await validator.validate(document), version: validator.version };
}

test("the document is valid OpenAPI 3.1", async () => {
  const document = await (await fetch(`${server.url}/openapi.json`)).json();
  const { result, version } = await check(document);
  assert.deepEqual(result.errors, undefined);
  assert.ok(result.valid);
  assert.equal(version, "3.1");
});

test("the document of a server with keys is valid, too", async () => {
  const guarded = await startServer([], { LIBQWEN_API_KEY: "a-long-enough-key" });
  try {
    const document = await (await fetch(`${guarded.url}/openapi.json`)).json();
    assert.ok((await check(document)).result.valid);
    assert.deepEqual(Object.keys(document.components.securitySchemes), ["key"]);
  } finally {
    await guarded.stop();
  }
});

test("the validator finds errors", async () => {
  const document = await (await fetch(`${server.url}/openapi.json`)).json();
  delete document.paths["/v1/models"].get.responses;
  document.paths["/v1/models"].get.parameters = [{ name: "x", in: "nowhere" }];
  assert.equal((await check(document)).result.valid, false);
});
