#pragma once

#include <cstdint>
#include <vector>

#include "operator/api/model_deployment.h"
#include "operator/plan/rolling.h"

// What a canary's steps are, and how many pods a weight takes.
//
// Thread-safety: no state.
namespace pilotlight::plan {

// The user's, or the usual ones for so many replicas: 5, 25, 50 and 100 % for ten and more; below that, what
// one pod is of all, then 100 %; for one, 10, 50 and 100 %.
std::vector<api::CanaryStep> StepsOf(const api::Rollout& rollout, std::int64_t replicas);

// How many pods of the candidate must be there before it gets `weight` percent of the requests: as many as of
// `replicas` that share would be, rounded up, and never none.
std::int64_t PodsFor(std::int64_t replicas, std::int64_t weight);

// The greatest weight, in percent, that so many pods of the candidate may have.
std::int64_t WeightFor(std::int64_t replicas, std::int64_t pods);

// How many pods each side of a canary is to have.
struct CanarySizes {
  std::int64_t stable = 0;
  std::int64_t candidate = 0;
};

// On the way to a step that takes `size` pods of the candidate, with `bounds` for both sides together: the
// stable revision, which is to have `now.stable`, makes room as far as it can, since it is handed `relieved`
// percent less; the candidate, which loses none, takes the room that is there now. `bounds.surge` is at least
// one pod: so one stable pod stays, for it is the stable pods that requests come in by.
CanarySizes Share(const Bounds& bounds, CanarySizes now, std::int64_t size, std::int64_t relieved);

}  // namespace pilotlight::plan
