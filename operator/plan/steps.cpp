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

}  // namespace pilotlight::plan
