#include "operator/analysis/threshold.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace pilotlight::analysis {
namespace {

constexpr std::int64_t kOneIn = 20;  // is slow: 5 %

std::int64_t Requests(const Histogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::int64_t{0});
}

bool Fits(const Histogram& histogram) {
  return histogram.counts.size() == histogram.bounds.size() + 1;
}

}  // namespace

std::optional<double> SlowThreshold(const Histogram& stable) {
  if (!Fits(stable)) return std::nullopt;
  const std::int64_t all = Requests(stable);
  if (all < kLeastForThreshold) return std::nullopt;
  std::int64_t over = all;
  for (std::size_t i = 0; i < stable.bounds.size(); ++i) {
    over -= stable.counts[i];
    if (over * kOneIn <= all) return stable.bounds[i];
  }
  return std::nullopt;
}

Events SlowerThan(const Histogram& histogram, double seconds) {
  if (!Fits(histogram)) return {};
  const auto bound = std::ranges::lower_bound(histogram.bounds, seconds) - histogram.bounds.begin();
  return {
      .requests = Requests(histogram),
      .bad = std::accumulate(histogram.counts.begin() + bound + 1, histogram.counts.end(), std::int64_t{0})};
}

}  // namespace pilotlight::analysis
