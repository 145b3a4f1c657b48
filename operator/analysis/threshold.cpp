#include "operator/analysis/threshold.h"

#include <cstddef>
#include <numeric>

namespace pilotlight::analysis {
namespace {

constexpr std::int64_t kLeastRequests = 100;
constexpr std::int64_t kOneIn = 20;  // is slow: 5 %

}  // namespace

std::optional<double> SlowThreshold(const Histogram& stable) {
  if (stable.counts.size() != stable.bounds.size() + 1) return std::nullopt;
  const std::int64_t all = std::accumulate(stable.counts.begin(), stable.counts.end(), std::int64_t{0});
  if (all < kLeastRequests) return std::nullopt;
  std::int64_t over = all;
  for (std::size_t i = 0; i < stable.bounds.size(); ++i) {
    over -= stable.counts[i];
    if (over * kOneIn <= all) return stable.bounds[i];
  }
  return std::nullopt;
}

}  // namespace pilotlight::analysis
