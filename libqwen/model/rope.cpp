#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "base/fail.h"

namespace qwen::model {
namespace {

constexpr double kDefaultBase = 10000.0;  // of the reference implementation and of GGUF

RopeScaling parse_scaling(const formats::ModelFile& file, const std::string& key, std::string_view type) {
  if (type == "none" || type == "default") return RopeScaling::none;
  if (type == "linear") return RopeScaling::linear;
  if (type == "yarn") return RopeScaling::yarn;
  fail(ErrorCode::unsupported, file.path(), ": ", key, ": RoPE scaling ", quoted(type),
       " is not supported, expected none, linear or yarn");
}

// Values from the file and from options are checked alike.
template <class T>
T checked(const std::optional<T>& option, const char* option_name, const std::optional<double>& found,
          const std::string& source, double fallback, double low, double high) {
  const double value = option ? static_cast<double>(*option) : found.value_or(fallback);
  if (!(value >= low && value <= high))
    fail(option ? ErrorCode::invalid_argument : ErrorCode::bad_format, option ? option_name : source,
         ": expected a number from ", low, " to ", high, ", found ", value);
  return static_cast<T>(value);
}

// Index (with a fraction) of the feature pair that makes `rotations` full turns in `context` tokens.
double correction_pair(double rotations, const ModelShape& shape) {
  const double turns = shape.rope_original_context / (rotations * 2 * std::numbers::pi);
  return shape.head_dim * std::log(turns) / (2 * std::log(static_cast<double>(shape.rope_theta)));
}

}  // namespace

RopeTable make_rope_table(const ModelShape& shape) {
  RopeTable table;
  const int pairs = shape.head_dim / 2;
  const double factor = shape.rope_factor;
  double low = 0, high = 0;
  if (shape.rope_scaling == RopeScaling::yarn) {
    low = std::max(std::floor(correction_pair(shape.yarn_beta_fast, shape)), 0.0);
    high = std::min(std::ceil(correction_pair(shape.yarn_beta_slow, shape)), shape.head_dim - 1.0);
    table.magnitude = shape.yarn_attention_factor;
    if (shape.yarn_ext_factor != 0) table.magnitude *= 1 + 0.1 * std::log(std::max(factor, 1.0));
  }
  for (int i = 0; i < pairs; ++i) {
    const double plain = std::pow(static_cast<double>(shape.rope_theta), -2.0 * i / shape.head_dim);
    double keep = 0;  // share of the unscaled frequency
    if (shape.rope_scaling == RopeScaling::yarn)
      keep = (1 - std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0)) *
             static_cast<double>(shape.yarn_ext_factor);
    table.frequencies.push_back(
        shape.rope_scaling == RopeScaling::none ? plain : plain / factor * (1 - keep) + plain * keep);
  }
  return table;
}

void read_rope(const formats::ModelFile& file, const std::string& architecture, const RopeOptions& options,
               std::vector<std::string>& warnings, ModelShape& shape) {
  const auto key = [&](const char* name) { return architecture + ".rope." + name; };
  const auto source = [&](const char* name) { return file.path() + ": " + key(name); };
  const auto real = [&](const char* name) { return file.optional_real(key(name)); };

  const auto base = real("freq_base");
  if (!base && !options.freq_base)
    warnings.push_back(
        cat(key("freq_base"), " is missing: assuming ", kDefaultBase, " (most Qwen models have 1000000)"));
  if (base && (!(*base > 0) || !std::isfinite(static_cast<float>(*base))))
    fail(ErrorCode::bad_format, source("freq_base"), ": expected a positive number, found ", *base);
  shape.rope_theta =
      checked(options.freq_base, "rope freq base", base, source("freq_base"), kDefaultBase, 1e-30, 1e30);

  std::optional<double> factor = real("scaling.factor");
  if (!factor) factor = real("scale_linear");  // files from before 2024
  if (factor && *factor == 0) factor.reset();  // GGUF: no scaling
  RopeScaling type = factor ? RopeScaling::linear : RopeScaling::none;
  if (const auto name = file.optional_string(key("scaling.type")))
    type = parse_scaling(file, key("scaling.type"), *name);
  if (options.scaling) {
    type = *options.scaling;
  } else if (options.factor && type == RopeScaling::none) {
    type = RopeScaling::linear;
  }
  const bool yarn = type == RopeScaling::yarn;
  if (!yarn && (options.original_context || options.ext_factor || options.attention_factor ||
                options.beta_fast || options.beta_slow))
    fail(ErrorCode::invalid_argument, "the yarn options need RoPE scaling of type yarn");

  const auto original = real("scaling.original_context_length");
  shape.rope_scaling = type;
  const int trained = shape.max_context;
  if (type == RopeScaling::none) {
    if (options.factor && *options.factor != 1)
      fail(ErrorCode::invalid_argument, "RoPE scaling of type none has no factor, found ", *options.factor);
    if (original && *original >= 1 && *original < trained) shape.max_context = static_cast<int>(*original);
    return;
  }
  if (!factor && !options.factor) {
    if (yarn || options.scaling)
      fail(options.scaling ? ErrorCode::invalid_argument : ErrorCode::bad_format, file.path(),
           ": RoPE scaling needs a factor: ", key("scaling.factor"), " is missing");
    shape.rope_scaling = RopeScaling::none;
    return;
  }
  shape.rope_factor =
      checked(options.factor, "rope scaling factor", factor, source("scaling.factor"), 1, 0.001, 1e6);
  shape.rope_original_context = checked(options.original_context, "yarn original context", original,
                                        source("scaling.original_context_length"), trained, 1, kMaxContext);
  if (yarn) {
    const auto value = [&](const std::optional<float>& option, const char* option_name, const char* name,
                           const char* other_name, double fallback, double low, double high) {
      auto found = real(name);
      if (!found && other_name != nullptr) found = real(other_name);
      return checked(option, option_name, found, source(name), fallback, low, high);
    };
    shape.yarn_ext_factor =
        value(options.ext_factor, "yarn ext factor", "scaling.yarn_ext_factor", nullptr, 1, 0, 1);
    shape.yarn_attention_factor = value(options.attention_factor, "yarn attention factor",
                                        "scaling.attn_factor", "scaling.yarn_attn_factor", 1, 1e-3, 1e3);
    shape.yarn_beta_fast =
        value(options.beta_fast, "yarn beta fast", "scaling.yarn_beta_fast", nullptr, 32, 1e-3, 1e6);
    shape.yarn_beta_slow =
        value(options.beta_slow, "yarn beta slow", "scaling.yarn_beta_slow", nullptr, 1, 1e-3, 1e6);
    if (shape.rope_theta <= 1)
      fail(ErrorCode::bad_format, source("freq_base"), ": YaRN needs a base above 1, found ",
           shape.rope_theta);
  }
  const double scaled =
      std::floor(static_cast<double>(shape.rope_original_context) * static_cast<double>(shape.rope_factor));
  shape.max_context = std::max(trained, static_cast<int>(std::min<double>(scaled, kMaxContext)));
}

}  // namespace qwen::model
