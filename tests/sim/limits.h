#pragma once

#include <algorithm>
#include <cstdint>

#include "operator/api/model_deployment.h"

// What the rollout's own numbers come to, reckoned here once more and in another way than the planner does.
//
// Thread-safety: no state.
namespace pilotlight::sim {

// Of `replicas`; percentages of a surge round up, of unavailable pods down (Kubernetes documentation,
// Deployments).
inline std::int64_t Rounded(const api::IntOrPercent& share, std::int64_t replicas, bool up) {
  return share.percent ? (share.value * replicas + (up ? 99 : 0)) / 100 : share.value;
}

// How many of the pods asked for a rollout may leave out of the Service. A single one is never left out.
inline std::int64_t Unavailable(const api::Spec& spec) {
  if (spec.replicas <= 1) return 0;
  const std::int64_t surge = Rounded(spec.rollout.max_surge, spec.replicas, true);
  const std::int64_t missing =
      std::min(Rounded(spec.rollout.max_unavailable, spec.replicas, false), spec.replicas);
  return surge == 0 && missing == 0 ? 1 : missing;
}

// How many pods beyond those asked for a rollout may have, but for the one on trial.
inline std::int64_t Surge(const api::Spec& spec) {
  const std::int64_t surge = Rounded(spec.rollout.max_surge, spec.replicas, true);
  return spec.replicas == 1 && surge == 0 ? 1 : surge;
}

// Whether a canary's stable revision makes room for it.
inline bool IsProportional(const api::ModelDeployment& model) {
  return model.spec.rollout.canary && model.spec.rollout.canary->stable_capacity == "Proportional";
}

// How many pods beyond `pods` there may be while a canary lasts.
inline std::int64_t CanarySurge(const api::ModelDeployment& model, std::int64_t pods) {
  if (!IsProportional(model)) return pods;
  return std::clamp<std::int64_t>(Rounded(model.spec.rollout.max_surge, pods, true), (pods + 99) / 100, pods);
}

// How many must serve to be called Ready, and what drains and re-checks leave: one of several may be missing.
inline std::int64_t Enough(const api::Spec& spec) {
  if (spec.replicas <= 1) return spec.replicas;
  const std::int64_t missing = Rounded(spec.rollout.max_unavailable, spec.replicas, false);
  return spec.replicas - std::clamp<std::int64_t>(missing, 1, spec.replicas - 1);
}

}  // namespace pilotlight::sim
