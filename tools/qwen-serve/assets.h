// The web page's files, compiled in.
#pragma once
#include "qwen-serve/exchange.h"

namespace qwen_serve {

// Answers with the file `name`: ApiError 404 where there is none. 304 where the client has it.
void serve_file(Exchange& exchange, std::string_view name);

}  // namespace qwen_serve
