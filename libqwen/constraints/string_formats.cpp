#include "constraints/string_formats.h"

namespace qwen::constraints {
namespace {

// RFC 3339, years 0001 to 9999, with the days that each month has.
#define QWEN_YEAR "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
#define QWEN_LEAP_YEAR "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define QWEN_DATE                                     \
  "(?:" QWEN_YEAR                                     \
  "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])" \
  "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" QWEN_LEAP_YEAR "-02-29)"
#define QWEN_OFFSET "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
// A leap second is the last one of a day in UTC; it is accepted with the offset zero only.
#define QWEN_TIME                                                           \
  "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?" QWEN_OFFSET \
  "|23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00))"
#define QWEN_OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define QWEN_IPV4 QWEN_OCTET "(?:\\." QWEN_OCTET "){3}"
#define QWEN_ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define QWEN_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

}  // namespace

std::string_view format_pattern(std::string_view format) noexcept {
  if (format == "date") return "^" QWEN_DATE "$";
  if (format == "time") return "^" QWEN_TIME "$";
  if (format == "date-time") return "^" QWEN_DATE "[Tt]" QWEN_TIME "$";
  if (format == "uuid") return "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";
  if (format == "ipv4") return "^" QWEN_IPV4 "$";
  if (format == "email") {
    return "^(?:" QWEN_ATOM "(?:\\." QWEN_ATOM ")*|\"[ !#-\\[\\]-~]+\")@(?:" QWEN_LABEL "(?:\\." QWEN_LABEL
           ")*|\\[" QWEN_IPV4 "\\])$";
  }
  return {};
}

}  // namespace qwen::constraints
