#pragma once

#include "operator/analysis/judge.h"

// Both tests of one metric, without a decision.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

// With several pods, the evidence must also be this strong without the worst of them: so a single bad pod's
// chance to take the revision with it is 1/3 at most, and 2 % with others that are as good as stable
// (measured); while a bad revision, whose pods are all bad, is hardly held up.
inline constexpr double kWithoutWorst = 3;

MetricEvidence Weigh(const Settings& settings, const Criterion& criterion,
                     const std::vector<Segment>& segments);

// Whether the evidence reaches its threshold at a rate that matters.
bool IsWorse(const MetricEvidence& evidence, const Settings& settings);

// Whether more than a single pod of several is to blame.
bool IsTheRevision(const MetricEvidence& evidence);

// Whether the candidate is good enough in the last segment.
bool IsNonInferior(const MetricEvidence& evidence);

}  // namespace pilotlight::analysis
