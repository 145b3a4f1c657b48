#include "tests/sim/view.h"

#include <algorithm>
#include <utility>

namespace pilotlight::sim {

View::View(EventQueue& queue, Random& random, const ApiServer& api, const Weather& weather,
           std::function<void(ObjectKind)> arrived)
    : queue_(queue),
      random_(random),
      weather_(weather),
      arrived_(std::move(arrived)),
      models_(api.models),
      config_maps_(api.config_maps),
      replica_sets_(api.replica_sets),
      pods_(api.pods),
      services_(api.services),
      budgets_(api.budgets),
      slices_(api.slices),
      watches_{&models_, &config_maps_, &replica_sets_, &pods_, &services_, &budgets_, &slices_} {}

void View::Published(ObjectKind kind) {
  const State& state = states_[static_cast<std::size_t>(kind)];
  const Millis lag = random_.Between(Millis(1), weather_.watch_lag);
  queue_.After(std::max(lag, state.frozen_until - queue_.now()),
               [this, kind, position = At(kind).Published()] { Arrive(kind, position); });
}

// In order, whatever the lags: what was published before arrives before, or with it.
void View::Arrive(ObjectKind kind, std::size_t position) {
  State& state = states_[static_cast<std::size_t>(kind)];
  if (queue_.now() < state.frozen_until) {
    queue_.After(state.frozen_until - queue_.now(), [this, kind, position] { Arrive(kind, position); });
    return;
  }
  WatchBase& watch = At(kind);
  bool news = false;
  while (watch.position() < position) {
    ++arrivals_;
    const bool asked = is_lost && is_lost(arrivals_);
    if (asked || std::exchange(state.lose_next, false)) {
      const Millis until = asked ? Millis(13'000) : state.lost_for;
      state.frozen_until = queue_.now() + until;
      queue_.After(until, [this, kind] {
        At(kind).List(0);
        arrived_(kind);
      });
      break;
    }
    watch.Deliver();
    news = true;
  }
  if (news) arrived_(kind);
}

void View::Freeze(ObjectKind kind, Millis time) {
  State& state = states_[static_cast<std::size_t>(kind)];
  state.frozen_until = std::max(state.frozen_until, queue_.now() + time);
}

void View::FreezeAll(Millis time) {
  for (std::size_t kind = 0; kind < kKinds; ++kind) Freeze(static_cast<ObjectKind>(kind), time);
}

void View::LoseNext(ObjectKind kind, Millis until) {
  State& state = states_[static_cast<std::size_t>(kind)];
  state.lose_next = true;
  state.lost_for = until;
}

// The first list may be a cache's. A later one is at least as new as what was seen, and here it is the
// newest.
void View::Start() {
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const std::int64_t missed = weather_.stale_lists == 0 ? 0 : random_.Below(weather_.stale_lists + 1);
    watches_[kind]->List(static_cast<std::size_t>(missed));
    if (missed > 0) Published(static_cast<ObjectKind>(kind));
  }
}

void View::Relist() {
  for (WatchBase* watch : watches_) watch->List(0);
  arrived_(ObjectKind::kModel);
}

const api::ModelDeployment* View::model() const {
  const auto found = models_.store().find(ApiServer::kName);
  return found == models_.store().end() ? nullptr : found->second.get();
}

// As operator/control/stores.cpp: children by their owner's UID, pods and endpoints by their label alone.
plan::Observed View::Observe() const {
  plan::Observed seen;
  seen.model = *model();
  const std::string& uid = seen.model.uid;
  seen.config_maps.reserve(config_maps_.store().size());
  seen.replica_sets.reserve(replica_sets_.store().size());
  seen.pods.reserve(pods_.store().size());
  for (const auto& [name, object] : config_maps_.store()) {
    if (object->meta.owner_uid == uid) seen.config_maps.push_back(*object);
  }
  for (const auto& [name, object] : replica_sets_.store()) {
    if (object->meta.owner_uid == uid) seen.replica_sets.push_back(*object);
  }
  for (const auto& [name, object] : pods_.store()) seen.pods.push_back(*object);
  for (const auto& [name, object] : services_.store()) {
    if (object->meta.owner_uid == uid) seen.service = *object;
  }
  for (const auto& [name, object] : budgets_.store()) {
    if (object->meta.owner_uid == uid) seen.budget = *object;
  }
  seen.ready_endpoints.emplace();
  for (const auto& [name, object] : slices_.store()) {
    seen.ready_endpoints->insert(seen.ready_endpoints->end(), object->ready_pods.begin(),
                                 object->ready_pods.end());
  }
  return seen;
}

}  // namespace pilotlight::sim
