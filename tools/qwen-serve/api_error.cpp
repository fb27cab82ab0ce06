#include "qwen-serve/api_error.h"

#include <new>

#include "common/program.h"

namespace qwen_serve {
namespace {

const char* type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

Json ApiError::body() const {
  Json error;
  error["message"] = what();
  error["type"] = type_of(status);
  error["param"] = param.empty() ? Json() : Json(param);
  error["code"] = code.empty() ? Json() : Json(code);
  return {{"error", std::move(error)}};
}

ApiError bad_field(const std::string& param, const std::string& message, const char* code) {
  return ApiError(400, code, message, param);
}

ApiError to_api_error(const qwen::Error& error) {
  using qwen::ErrorCode;
  switch (error.code()) {
    case ErrorCode::invalid_argument: return ApiError(400, "invalid_value", error.what());
    case ErrorCode::not_found: return ApiError(404, "not_found", error.what());
    case ErrorCode::context_full: return ApiError(400, "context_length_exceeded", error.what());
    case ErrorCode::unsupported: return ApiError(400, "unsupported", error.what());
    case ErrorCode::busy: {
      ApiError busy(503, "queue_full", error.what());
      busy.retry_after_seconds = 1;
      return busy;
    }
    case ErrorCode::out_of_memory: return ApiError(503, "out_of_memory", error.what());
    case ErrorCode::cancelled: return ApiError(503, "cancelled", error.what());
    default: return ApiError(500, "internal_error", error.what());
  }
}

ApiError current_api_error() noexcept {
  try {
    throw;
  } catch (const ApiError& error) {
    return error;
  } catch (const qwen::Error& error) {
    if (error.code() == qwen::ErrorCode::internal) tools::warn(error.what());
    return to_api_error(error);
  } catch (const std::bad_alloc&) {
    return ApiError(503, "out_of_memory", "out of memory");
  } catch (const std::exception& error) {
    tools::warn(std::string("unforeseen: ") + error.what());
  } catch (...) {
    tools::warn("unforeseen exception");
  }
  return ApiError(500, "internal_error", "internal error");
}

}  // namespace qwen_serve
