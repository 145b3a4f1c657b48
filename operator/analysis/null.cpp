#include "operator/analysis/null.h"

#include <algorithm>

namespace pilotlight::analysis {

long double Correction(double weight, const Assigned& assigned) {
  if (weight <= 0 || weight >= 1 || assigned.candidate <= 0) return 1;
  const long double wanted = static_cast<long double>(weight) / (1 - static_cast<long double>(weight));
  return std::max(1.0L, wanted * assigned.stable / assigned.candidate);
}

Null NullOf(const Events& candidate, const Events& stable, long double correction, double rho) {
  if (candidate.requests == 0 || stable.requests == 0) return {.candidate = 1, .stable = 0};
  return {.candidate = static_cast<long double>(rho) * correction * candidate.requests,
          .stable = static_cast<long double>(stable.requests)};
}

Null NullOf(double limit) {
  return {.candidate = limit, .stable = 1 - static_cast<long double>(limit)};
}

}  // namespace pilotlight::analysis
