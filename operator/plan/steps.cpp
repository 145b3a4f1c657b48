#include "operator/plan/steps.h"

#include <algorithm>

namespace pilotlight::plan {

std::vector<api::CanaryStep> StepsOf(const api::Rollout& rollout, std::int64_t replicas) {
  if (rollout.canary && !rollout.canary->steps.empty()) return rollout.canary->steps;
  if (replicas >= 10) return {{.weight = 5}, {.weight = 25}, {.weight = 50}, {.weight = 100}};
  if (replicas <= 1) return {{.weight = 10}, {.weight = 50}, {.weight = 100}};
  return {{.weight = 100 / replicas}, {.weight = 100}};
}

std::int64_t PodsFor(std::int64_t replicas, std::int64_t weight) {
  return std::max<std::int64_t>(1, (replicas * weight + 99) / 100);
}

std::int64_t WeightFor(std::int64_t replicas, std::int64_t pods) {
  if (pods <= 0) return 0;
  return pods >= replicas ? 100 : 100 * pods / replicas;
}

CanarySizes Share(const Bounds& bounds, CanarySizes now, std::int64_t size, std::int64_t relieved) {
  // As many pods as have that weight, rounded as WeightFor() does: else one pod of eleven, at 9 %, would
  // relieve nobody.
  const std::int64_t spared = relieved == 0 ? 0 : ((relieved + 1) * bounds.replicas - 1) / 100;
  const std::int64_t needed = bounds.replicas - spared;
  const std::int64_t fits = std::clamp(bounds.Most() - size, needed, std::max(needed, bounds.replicas));
  const std::int64_t grown = std::max(now.stable, bounds.Most() - now.candidate);
  const std::int64_t stable = now.stable > fits ? fits : std::min(fits, grown);
  const std::int64_t room = bounds.Most() - std::max(now.stable, stable);
  return {.stable = stable, .candidate = std::max(now.candidate, std::min(size, room))};
}

}  // namespace pilotlight::plan
