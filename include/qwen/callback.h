// Callbacks that may stop a call.
#pragma once
#include <concepts>
#include <cstddef>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace qwen {

// Holds a callable that returns bool or void. Returning false stops the call that uses the callback. An empty callback
// does nothing.
template <class... Args>
class Callback {
 public:
  Callback() = default;
  Callback(std::nullptr_t) {}  // empty

  // Keeps a copy of `callable`, which is called with Args and returns bool or void.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Callback> && std::invocable<F&, Args...>)
      Callback(F callable) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, Args...>>)
      function_ = [callable = std::move(callable)](Args... args) mutable {
        callable(std::forward<Args>(args)...);
        return true;
      };
    else
      function_ = std::move(callable);
  }

  explicit operator bool() const noexcept { return static_cast<bool>(function_); }  // false if empty
  // Whether to go on; true if the callback is empty.
  bool operator()(Args... args) const { return !function_ || function_(std::forward<Args>(args)...); }

 private:
  std::function<bool(Args...)> function_;
};

// Gets whole UTF-8 characters as they become final.
using TextCallback = Callback<std::string_view>;

}  // namespace qwen
