#pragma once

#include <cstdint>

#include "operator/api/model_deployment.h"

// How many pods two revisions have while one takes the place of the other.
//
// The bounds are those of a Deployment's rolling update (Kubernetes documentation, "Deployments", Max
// Unavailable and Max Surge): never more than replicas + surge pods, never fewer than replicas − unavailable
// that serve. Other than there, one replica is always replaced by surging first.
//
// Thread-safety: no state.
namespace pilotlight::plan {

struct Bounds {
  std::int64_t replicas = 0;
  std::int64_t surge = 0;
  std::int64_t unavailable = 0;

  std::int64_t Most() const { return replicas + surge; }
  std::int64_t Least() const { return replicas - unavailable; }
};

// Percentages of `replicas`: the surge rounds up, the unavailable pods round down; should both come to 0, one
// may be missing.
Bounds BoundsOf(const api::Rollout& rollout, std::int64_t replicas);

// How many of `replicas` may be missing at rest: what the budget allows, and what Ready forgives. At least
// one of several, but never all.
std::int64_t Spare(const api::Rollout& rollout, std::int64_t replicas);

// The pods of one revision.
struct Side {
  std::int64_t replicas = 0;  // asked for
  std::int64_t ready = 0;     // in the Service, as far as their node knows
  std::int64_t serving =
      0;  // listed in the Service, too; of the new side: for as long as it takes to be counted on
};

struct Sizes {
  std::int64_t from = 0;
  std::int64_t to = 0;
};

// To what `side` may be scaled down when it shall have `replicas` pods: Kubernetes may take those that are
// listed and leave those that are not yet, so these are not counted on. To none it may at once.
std::int64_t ScaledDown(const Side& side, std::int64_t replicas);

// The next sizes: `to` grows into whatever room there is, `from` shrinks behind what serves of it. Repeated,
// with what is then observed, it ends with all of `to` and, at most, what the surge allows of `from`.
//
// Whichever pods Kubernetes takes of `from`, it takes those that are not ready first; so of the ready ones,
// those that are not listed yet may be what is left, and are not counted on.
Sizes Roll(const Bounds& bounds, const Side& from, const Side& to);

// The size of the stable side while a rollout is held, with `candidate` pods of the new side in the Service:
// as it is, but for what scaling asks for.
std::int64_t Hold(const Bounds& bounds, const Side& stable, const Side& candidate);

}  // namespace pilotlight::plan
