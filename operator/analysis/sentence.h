#pragma once

#include <string>

#include "operator/analysis/judge.h"

// Verdicts in words, with the numbers to check them by.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

// "3.5e6" of its natural logarithm, which may be of a number that no double holds.
std::string Power(double log);

// "errors: candidate 12 of 240, stable 3 of 2160, p0 0.143, E 3.5e6 ≥ 1e2", a segment after the other.
std::string AbortSentence(const MetricEvidence& evidence);

// "errors: candidate 1 of 1000, at most 0.474 % with 95 % confidence, stable 9 of 9000, allowed 0.5 %"
std::string PromoteSentence(const MetricEvidence& evidence, const Settings& settings);

// "observed weight 5.2 %, wanted 10 % ± 2 %"
std::string ShareSentence(const Share& share);

}  // namespace pilotlight::analysis
