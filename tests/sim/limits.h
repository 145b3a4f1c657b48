#pragma once

#include <cstdint>

#include "operator/api/model_deployment.h"

// What the rollout's own numbers come to, reckoned here once more and in another way than the planner does.
//
// Thread-safety: no state.
namespace pilotlight::sim {

// How many pods beyond `replicas` a rollout may have, but for the one on trial.
inline std::int64_t Surge(const api::ModelDeployment& model) {
  return model.spec.replicas;
}

// How many of `replicas` a rollout may leave out of the Service.
inline std::int64_t Unavailable(const api::ModelDeployment&) {
  return 0;
}

}  // namespace pilotlight::sim
