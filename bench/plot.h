// The figures of a run as one SVG: decode speed against context, prefill speed against length, and the
// roofline.
#pragma once
#include <string>

#include "run.h"

namespace qwen::bench {

std::string plot_svg(const RunResult& result);

}  // namespace qwen::bench
