// The description of the API: routes, bodies and answers as OpenAPI 3.1, and as a page.
#pragma once
#include <string>

#include "qwen-serve/service.h"

namespace qwen_serve {

// JSON objects of schemas by name, with "x-include": [NAME] for the properties of others.
extern const char* const kRequestSchemas;
extern const char* const kAnswerSchemas;

// The functions behind /openapi.json and /docs.
void openapi(Service& service, RequestContext& context);
void docs(Service& service, RequestContext& context);

// The OpenAPI document of all routes. `keys`: the server asks for an API key.
Json openapi_document(bool keys);
// An HTML page with the routes of an OpenAPI document and an example of each. `server`: "http://127.0.0.1:8080".
std::string docs_page(const Json& document, const std::string& server);

}  // namespace qwen_serve
