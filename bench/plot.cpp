#include "plot.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "report.h"
#include "statistics.h"

namespace qwen::bench {
namespace {

constexpr double kWidth = 420, kHeight = 300, kLeft = 64, kRight = 16, kTop = 40, kBottom = 48;
constexpr const char* kColours[] = {"#1b6ca8", "#c8553d", "#2e8b57", "#8a5a9e", "#b8860b"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

// One axis: from data to a fraction of its length.
struct Axis {
  std::string label;
  double low = 0, high = 1;
  bool logarithmic = false;

  double place(double value) const {
    if (!logarithmic) return (value - low) / (high - low);
    return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  }
  // 1, 2 and 5 times powers of ten; powers of ten where logarithmic.
  std::vector<double> ticks() const {
    std::vector<double> out;
    if (logarithmic) {
      for (double t = std::pow(10.0, std::ceil(std::log10(low) - 1e-9)); t <= high * 1.0001; t *= 10)
        out.push_back(t);
      return out;
    }
    const double rough = (high - low) / 5, power = std::pow(10.0, std::floor(std::log10(rough)));
    const double step = power * (rough / power < 1.5   ? 1
                                 : rough / power < 3.5 ? 2
                                 : rough / power < 7.5 ? 5
                                                       : 10);
    for (double t = std::ceil(low / step) * step; t <= high + step * 1e-6; t += step) out.push_back(t);
    return out;
  }
};

struct Point {
  double x, y;
};
struct Series {
  std::string name;
  std::vector<Point> points;
  bool line = true, dots = true;
};

class Panel {
 public:
  Panel(std::string title, Axis x, Axis y, double left)
      : title_(std::move(title)), x_(std::move(x)), y_(std::move(y)), left_(left) {}

  void add(Series series) { series_.push_back(std::move(series)); }

  std::string svg() const {
    std::string out = text(left_ + kWidth / 2, 20, title_, "middle", "font-weight=\"bold\"");
    for (const double t : x_.ticks()) {
      out += segment(px(t), kTop, px(t), kHeight - kBottom, "#e3e3e3");
      out += text(px(t), kHeight - kBottom + 16, tick_text(t), "middle");
    }
    for (const double t : y_.ticks()) {
      out += segment(left_ + kLeft, py(t), left_ + kWidth - kRight, py(t), "#e3e3e3");
      out += text(left_ + kLeft - 6, py(t) + 4, tick_text(t), "end");
    }
    out += segment(left_ + kLeft, kHeight - kBottom, left_ + kWidth - kRight, kHeight - kBottom, "#444");
    out += segment(left_ + kLeft, kTop, left_ + kLeft, kHeight - kBottom, "#444");
    out += text(left_ + (kWidth + kLeft - kRight) / 2, kHeight - 10, x_.label, "middle");
    const double middle = (kTop + kHeight - kBottom) / 2;
    out += text(left_ + 14, middle, y_.label, "middle",
                cat("transform=\"rotate(-90 ", fixed(left_ + 14, 1), " ", fixed(middle, 1), ")\""));
    for (std::size_t i = 0; i < series_.size(); ++i) out += draw(series_[i], i);
    return out;
  }

 private:
  double px(double x) const { return left_ + kLeft + x_.place(x) * (kWidth - kLeft - kRight); }
  double py(double y) const { return kHeight - kBottom - y_.place(y) * (kHeight - kTop - kBottom); }

  static std::string tick_text(double value) {
    if (value >= 1 || value == 0) return fixed(value, value == std::floor(value) ? 0 : 1);
    return fixed(value, value < 0.1 ? 2 : 1);
  }
  static std::string text(double x, double y, const std::string& content, const char* anchor,
                          const std::string& more = "") {
    return cat("<text x=\"", fixed(x, 1), "\" y=\"", fixed(y, 1), "\" text-anchor=\"", anchor, "\" ", more,
               ">", escaped(content), "</text>\n");
  }
  static std::string segment(double x1, double y1, double x2, double y2, const char* colour) {
    return cat("<line x1=\"", fixed(x1, 1), "\" y1=\"", fixed(y1, 1), "\" x2=\"", fixed(x2, 1), "\" y2=\"",
               fixed(y2, 1), "\" stroke=\"", colour, "\"/>\n");
  }
  std::string draw(const Series& series, std::size_t index) const {
    const char* colour = kColours[index % std::size(kColours)];
    std::string out, path;
    for (const Point& p : series.points) {
      path += cat(path.empty() ? "M" : " L", fixed(px(p.x), 1), " ", fixed(py(p.y), 1));
      if (series.dots)
        out += cat("<circle cx=\"", fixed(px(p.x), 1), "\" cy=\"", fixed(py(p.y), 1), "\" r=\"3.5\" fill=\"",
                   colour, "\"/>\n");
    }
    if (series.line)
      out += cat("<path d=\"", path, "\" fill=\"none\" stroke=\"", colour, "\" stroke-width=\"1.8\"/>\n");
    const double y = kTop + 12 + 15 * static_cast<double>(index);
    out += cat("<rect x=\"", fixed(left_ + kWidth - kRight - 150, 1), "\" y=\"", fixed(y - 8, 1),
               "\" width=\"10\" height=\"10\" fill=\"", colour, "\"/>\n");
    return out + text(left_ + kWidth - kRight - 135, y + 1, series.name, "start");
  }

  std::string title_;
  Axis x_, y_;
  double left_;
  std::vector<Series> series_;
};

// Axes that start at 0 and hold all points, with room for the legend above them.
Panel panel_of(const std::string& title, const std::string& x, const std::string& y, double left,
               std::vector<Series> series) {
  double x_high = 1, y_high = 1;
  for (Series& one : series) {
    std::sort(one.points.begin(), one.points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
    for (const Point& p : one.points) x_high = std::max(x_high, p.x), y_high = std::max(y_high, p.y);
  }
  Panel panel(title, {x, 0, x_high * 1.05, false}, {y, 0, y_high * 1.35, false}, left);
  for (Series& one : series) panel.add(std::move(one));
  return panel;
}

std::string threads_name(int threads) {
  return cat(threads, threads == 1 ? " thread" : " threads");
}

Panel decode_panel(const RunResult& result, double left) {
  std::vector<Series> series;
  for (const ThreadResult& run : result.runs)
    for (const DecodeResult& d : run.decode) {
      const std::string name = threads_name(run.threads) +
                               (d.sequences > 1 ? cat(", ", d.sequences, " at once") : "") +
                               (d.top > 0 ? cat(", top ", d.top) : "");
      auto found =
          std::find_if(series.begin(), series.end(), [&](const Series& s) { return s.name == name; });
      if (found == series.end()) found = series.insert(series.end(), Series{name, {}});
      found->points.push_back({static_cast<double>(d.depth), median(d.tokens_per_s)});
    }
  return panel_of("Decode", "tokens in the context before", "tokens/s", left, std::move(series));
}

Panel prefill_panel(const RunResult& result, double left) {
  std::vector<Series> series;
  for (const ThreadResult& run : result.runs) {
    Series one{threads_name(run.threads), {}};
    for (const PrefillResult& p : run.prefill)
      if (p.depth == result.runs[0].prefill[0].depth && p.batch == result.runs[0].prefill[0].batch)
        one.points.push_back({static_cast<double>(p.tokens), median(p.tokens_per_s)});
    if (!one.points.empty()) series.push_back(std::move(one));
  }
  return panel_of("Prefill", "tokens of the prompt", "tokens/s", left, std::move(series));
}

// Multiply-adds for each byte read against multiply-adds a second: of the machine (the most threads), and
// measured.
Panel roofline_panel(const RunResult& result, double left) {
  const ThreadResult& run =
      *std::max_element(result.runs.begin(), result.runs.end(),
                        [](const auto& a, const auto& b) { return a.threads < b.threads; });
  const double peak = run.peaks.int8_gmac_per_s, floats = run.peaks.float_gmac_per_s,
               read = run.peaks.read_gb_per_s;
  const double low = 0.5, high = 5000;
  const auto roof = [&](double ceiling) {
    return std::vector<Point>{{low, read * low}, {ceiling / read, ceiling}, {high, ceiling}};
  };
  Series measured{"measured", {}, false, true};
  const double bytes = static_cast<double>(result.bytes_per_token),
               macs = result.body_macs + result.head_macs;
  for (const DecodeResult& d : run.decode)
    measured.points.push_back({d.sequences * macs / bytes, median(d.tokens_per_s) * macs * 1e-9});
  // A batch of the prompt reads the weights once.
  for (const PrefillResult& p : run.prefill)
    measured.points.push_back({std::min(p.tokens, p.batch) * result.body_macs / (bytes - result.head_bytes),
                               median(p.tokens_per_s) * result.body_macs * 1e-9});
  double y_low = read * low;
  for (Point& p : measured.points) {
    p.x = std::clamp(p.x, low, high);
    y_low = std::min(y_low, p.y);
  }
  Panel panel(cat("Roofline, ", threads_name(run.threads)),
              {"multiply-adds for each byte of weights", low, high, true},
              {"GMAC/s", y_low / 2, peak * 8, true}, left);
  panel.add({"int8 roof", roof(peak), true, false});
  panel.add({"float roof", roof(floats), true, false});
  panel.add(std::move(measured));
  return panel;
}

}  // namespace

std::string plot_svg(const RunResult& result) {
  std::vector<Panel> panels;
  const auto left = [&] { return static_cast<double>(panels.size()) * kWidth; };
  if (result.runs.empty()) fail(ErrorCode::invalid_argument, "nothing was measured: nothing to plot");
  if (!result.runs[0].decode.empty()) panels.push_back(decode_panel(result, left()));
  if (!result.runs[0].prefill.empty()) panels.push_back(prefill_panel(result, left()));
  panels.push_back(roofline_panel(result, left()));
  const double width = left();
  std::string out =
      cat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", fixed(width, 0), "\" height=\"",
          fixed(kHeight + 20, 0), "\" viewBox=\"0 0 ", fixed(width, 0), " ", fixed(kHeight + 20, 0),
          "\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\">\n",
          "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
  for (const Panel& panel : panels) out += panel.svg();
  out += cat("<text x=\"8\" y=\"", fixed(kHeight + 12, 0), "\" fill=\"#666\">",
             escaped(cat(result.model, " ", result.type, ", ", result.cpu, ", ", result.isa)),
             "</text>\n</svg>\n");
  return out;
}

}  // namespace qwen::bench
