#pragma once

#include "operator/analysis/segment.h"

// How bad the candidate may still be, by what was counted.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

// The upper end of the one-sided Clopper–Pearson interval: the rate at which so few bad events or fewer have
// the chance 1 − confidence. Exact for any number of requests; 1 without any. C. Clopper, E. Pearson: The Use
// of Confidence or Fiducial Limits Illustrated in the Case of the Binomial, Biometrika 26 (1934). Without bad
// events it is about 3/requests at 0.95, the rule of three.
double UpperBound(const Events& events, double confidence);

}  // namespace pilotlight::analysis
