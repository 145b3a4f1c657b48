#pragma once

#include "operator/analysis/evidence.h"
#include "operator/analysis/segment.h"

// The null hypothesis of one segment: "the candidate's bad rate is at most ρ times stable's".
//
// Thread-safety: no state.
namespace pilotlight::analysis {

// How much worse than its share the candidate may be by what the split did: at least 1.
//
// Each request is the candidate's with the chance `weight`, so that chance, not the share that came of it, is
// what makes the test exact. A share above the weight was not drawn by the split alone, and counts as it is;
// one below counts as the weight: an early chance, or requests that are on their way, are no evidence.
long double Correction(double weight, const Assigned& assigned);

// p0 = ρ·c/(ρ·c + s), with the counted requests c of the candidate, corrected, and s of stable.
// Without any requests p0 is 1: nothing can be evidence.
Null NullOf(const Events& candidate, const Events& stable, long double correction, double rho);

// For a metric with a limit of its own: "the candidate's bad rate is at most `limit`", 0 < limit < 1. Then m
// is the number of requests.
Null NullOf(double limit);

}  // namespace pilotlight::analysis
