// Sizes from outside, tensor types, messages.
#include <catch2/catch.hpp>
#include <limits>
#include <locale>
#include <string>

#include "base/checked.h"
#include "base/tensor_type.h"
#include "support/model_cases.h"

using namespace qwen;
using test::check_error;

namespace {
constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
}

TEST_CASE("products and sums that do not fit are refused", "[base]") {
  CHECK(checked_mul(3, 4, "x") == 12);
  CHECK(checked_mul(0, kMax, "x") == 0);
  CHECK(checked_mul(kMax, 1, "x") == kMax);
  CHECK(checked_mul(std::size_t{1} << 32, (std::size_t{1} << 32) - 1, "x") ==
        kMax - (std::size_t{1} << 32) + 1);
  check_error(ErrorCode::bad_format, "rows: 4294967296 x 4294967296 is too large",
              [] { checked_mul(std::size_t{1} << 32, std::size_t{1} << 32, "rows"); });
  CHECK(checked_add(kMax - 1, 1, "x") == kMax);
  check_error(ErrorCode::bad_format, "offset: ", [] { checked_add(kMax, 1, "offset"); });
  CHECK(checked_int(5, 5, 5, "x") == 5);
  CHECK(checked_int(0, 0, 9, "x") == 0);
  check_error(ErrorCode::bad_format, "layers: expected 1 to 9, found 0",
              [] { checked_int(0, 1, 9, "layers"); });
  check_error(ErrorCode::bad_format, "layers: expected 1 to 9, found 10",
              [] { checked_int(10, 1, 9, "layers"); });
  check_error(ErrorCode::bad_format, "found 18446744073709551615", [] { checked_int(kMax, 0, 9, "layers"); });
  check_error(ErrorCode::bad_format, "found 4294967297",
              [] { checked_int((1ull << 32) + 1, 0, 9, "layers"); });
  CHECK(round_up(0, 16) == 0);
  CHECK(round_up(1, 16) == 16);
  CHECK(round_up(16, 16) == 16);
  CHECK(ceil_div(0, 4) == 0);
  CHECK(ceil_div(9, 4) == 3);
}

TEST_CASE("the table of tensor types", "[base]") {
  int count = 0;
  for (std::uint32_t number = 0; number < 1000; ++number) {
    const TensorTypeInfo* info = find_tensor_type(number);
    if (info == nullptr) continue;
    ++count;
    CHECK(static_cast<std::uint32_t>(info->type) == number);
    CHECK(find_tensor_type(std::string_view(info->name)) == info);
    CHECK(&info_of(info->type) == info);
    std::string lower(info->name);
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    CHECK(find_tensor_type(lower) == info);
    CHECK(row_bytes(info->type, 512) ==
          512 / static_cast<std::size_t>(info->block_weights) * info->block_bytes);
    if (info->block_weights > 1)
      check_error(ErrorCode::bad_format, std::string("cannot be ") + info->name,
                  [&] { row_bytes(info->type, 16); });
  }
  CHECK(count == 15);
  CHECK(find_tensor_type(0xFFFFFFFFu) == nullptr);
  for (const char* name : {"", "Q4", "Q4_0 ", "Q9_9", "F320"})
    CHECK(find_tensor_type(std::string_view(name)) == nullptr);
  CHECK(row_bytes(TensorType::f32, 0) == 0);
  check_error(ErrorCode::bad_format, "bytes of a row", [] { row_bytes(TensorType::f32, kMax / 2); });
}

TEST_CASE("numbers in messages do not follow the program's locale", "[base]") {
  struct Grouped : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouped));
  const std::string text = cat(1234567, " ", 0.5, " ", 151936.25f);
  std::locale::global(before);
  CHECK(text == "1234567 0.5 151936");
}

TEST_CASE("text from outside fits into one line of a message", "[base]") {
  CHECK(quoted("abc") == "\"abc\"");
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("a\nb\t\x7f") == "\"a\\x0ab\\x09\\x7f\"");
  CHECK(quoted("中文") == "\"中文\"");
  CHECK(quoted("\xff\xe4") == "\"\\xff\\xe4\"");
  CHECK(quoted(std::string_view("a\0b", 3)) == "\"a\\x00b\"");
  const std::string cut = qwen::quoted(std::string(200, 'x'));
  CHECK(cut.size() <= 84);
  CHECK(cut.substr(cut.size() - 4) == "...\"");
  CHECK(cat("a", 1, 2.5) == "a12.5");
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code)
    CHECK(std::string(to_string(static_cast<ErrorCode>(code))).size() > 1);
}
