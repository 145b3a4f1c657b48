#include "operator/plan/rolling.h"

#include <algorithm>

namespace pilotlight::plan {
namespace {

using api::IntOrPercent;

std::int64_t RoundedUp(const IntOrPercent& pods, std::int64_t replicas) {
  return pods.percent ? (replicas * pods.value + 99) / 100 : pods.value;
}

std::int64_t RoundedDown(const IntOrPercent& pods, std::int64_t replicas) {
  return pods.percent ? replicas * pods.value / 100 : pods.value;
}

// What must be left of `from`, so that enough serve.
std::int64_t Behind(const Bounds& bounds, const Side& from, const Side& to) {
  return bounds.Least() - to.serving + (from.ready - from.serving);
}

}  // namespace

Bounds BoundsOf(const api::Rollout& rollout, std::int64_t replicas) {
  Bounds bounds{.replicas = replicas,
                .surge = RoundedUp(rollout.max_surge, replicas),
                .unavailable = std::min(RoundedDown(rollout.max_unavailable, replicas), replicas)};
  if (replicas == 1) {
    bounds.surge = std::max<std::int64_t>(bounds.surge, 1);
    bounds.unavailable = 0;
  } else if (bounds.surge == 0 && bounds.unavailable == 0) {
    bounds.unavailable = std::min<std::int64_t>(1, replicas);
  }
  return bounds;
}

std::int64_t Spare(const api::Rollout& rollout, std::int64_t replicas) {
  if (replicas <= 1) return 0;
  return std::clamp<std::int64_t>(RoundedDown(rollout.max_unavailable, replicas), 1, replicas - 1);
}

std::int64_t ScaledDown(const Side& side, std::int64_t replicas) {
  if (replicas == 0 || replicas >= side.replicas) return replicas;
  return std::min(replicas + side.ready - side.serving, side.replicas);
}

Sizes Roll(const Bounds& bounds, const Side& from, const Side& to) {
  const std::int64_t room = std::max(bounds.Most() - from.replicas, to.replicas);
  const std::int64_t size = ScaledDown(to, std::min(room, bounds.replicas));
  Side left = to;  // after what scaling down takes of it, now or since it was last told to
  left.serving =
      std::min(to.serving, std::max<std::int64_t>(std::min(size, to.replicas) - (to.ready - to.serving), 0));
  return {.from = std::clamp<std::int64_t>(Behind(bounds, from, left), 0, from.replicas), .to = size};
}

std::int64_t Hold(const Bounds& bounds, const Side& stable, const Side& candidate) {
  const std::int64_t least = std::max<std::int64_t>(bounds.replicas - candidate.replicas, 0);
  const std::int64_t most = std::clamp(bounds.Most() - candidate.replicas, least, bounds.replicas);
  if (stable.replicas <= most) return std::max(stable.replicas, least);
  return std::clamp(Behind(bounds, stable, candidate), most, stable.replicas);
}

}  // namespace pilotlight::plan
