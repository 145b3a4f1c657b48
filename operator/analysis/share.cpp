#include "operator/analysis/share.h"

#include <algorithm>
#include <cmath>

namespace pilotlight::analysis {
namespace {

constexpr double kSigmas = 3;
constexpr double kLeastTolerance = 0.02;

}  // namespace

Share ObservedShare(double weight, const Assigned& assigned) {
  Share share{.wanted = weight, .tolerance = 1};
  const double all = static_cast<double>(assigned.candidate) + static_cast<double>(assigned.stable);
  if (all <= 0) return share;
  share.observed = static_cast<double>(assigned.candidate) / all;
  share.tolerance = std::max(kSigmas * std::sqrt(weight * (1 - weight) / all), kLeastTolerance);
  share.verified = std::abs(share.observed - weight) <= share.tolerance;
  return share;
}

}  // namespace pilotlight::analysis
