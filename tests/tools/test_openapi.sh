#!/usr/bin/env bash
# A public validator of OpenAPI documents.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" openapi_test.mjs
