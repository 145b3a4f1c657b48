#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "operator/plan/observed.h"
#include "tests/sim/api_server.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/weather.h"

// What one operator has seen of the API server: a store for each kind, each as late as its own watch is.
//
// Thread-safety: one thread.
namespace pilotlight::sim {

class WatchBase {
 public:
  virtual ~WatchBase() = default;
  // Changes that the server has made.
  virtual std::size_t Published() const = 0;
  // The next change.
  virtual void Deliver() = 0;
  // All of it, but for the last `missed` changes.
  virtual void List(std::size_t missed) = 0;
  virtual std::string UidOf(const std::string& name) const = 0;  // empty: not there, or going

  std::size_t position() const { return position_; }
  std::int64_t seen_up_to() const { return seen_up_to_; }

 protected:
  std::size_t position_ = 0;
  std::int64_t seen_up_to_ = 0;
};

template <typename T>
class Watch : public WatchBase {
 public:
  explicit Watch(const Collection<T>& server) : server_(server) {}

  std::size_t Published() const override { return server_.log().size(); }
  void Deliver() override {
    const Change<T>& change = server_.log()[position_++];
    seen_up_to_ = change.version;
    if (change.after) {
      store_.insert_or_assign(change.name, change.after);
    } else {
      store_.erase(change.name);
    }
  }
  void List(std::size_t missed) override {
    const std::size_t end = server_.log().size();
    if (missed == 0) {
      store_ = server_.all();
      position_ = end;
      if (end > 0) seen_up_to_ = server_.log().back().version;
      return;
    }
    store_.clear();
    for (position_ = 0; position_ + missed < end;) Deliver();
  }
  std::string UidOf(const std::string& name) const override {
    const auto found = store_.find(name);
    if (found == store_.end()) return {};
    if constexpr (requires { found->second->meta; }) {
      return found->second->meta.deleting ? std::string() : found->second->meta.uid;
    } else {
      return found->second->uid;
    }
  }
  const typename Collection<T>::Objects& store() const { return store_; }

 private:
  const Collection<T>& server_;
  typename Collection<T>::Objects store_;
};

class View {
 public:
  View(EventQueue& queue, Random& random, const ApiServer& api, const Weather& weather,
       std::function<void(ObjectKind)> arrived);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  // The server has something new of this kind.
  void Published(ObjectKind kind);
  // Nothing of this kind arrives for so long.
  void Freeze(ObjectKind kind, Millis time);
  void FreezeAll(Millis time);
  // The watch of this kind breaks at its next change: that one and those after it never arrive, and only a
  // new list, `until` later, shows what has become of it all.
  void LoseNext(ObjectKind kind, Millis until);
  // All of it anew, perhaps as it was a while ago: after a start.
  void Start();
  // The same after every watch was cut: what had not arrived yet does.
  void Relist();

  // Null: there is none.
  const api::ModelDeployment* model() const;
  plan::Observed Observe() const;
  const WatchBase& of(ObjectKind kind) const { return *watches_[static_cast<std::size_t>(kind)]; }

  // Whether the so-many-th change that arrives is lost; none if it is not set.
  std::function<bool(std::size_t number)> is_lost;
  std::size_t arrivals() const { return arrivals_; }

 private:
  struct State {
    Moment frozen_until;
    bool lose_next = false;
    Millis lost_for{0};
  };
  WatchBase& At(ObjectKind kind) { return *watches_[static_cast<std::size_t>(kind)]; }
  void Arrive(ObjectKind kind, std::size_t position);

  EventQueue& queue_;
  Random& random_;
  const Weather& weather_;
  const std::function<void(ObjectKind)> arrived_;
  Watch<api::ModelDeployment> models_;
  Watch<api::ConfigMap> config_maps_;
  Watch<api::ReplicaSet> replica_sets_;
  Watch<api::Pod> pods_;
  Watch<api::Service> services_;
  Watch<api::DisruptionBudget> budgets_;
  Watch<api::Endpoints> slices_;
  std::array<WatchBase*, kKinds> watches_;
  std::array<State, kKinds> states_;
  std::size_t arrivals_ = 0;
};

}  // namespace pilotlight::sim
