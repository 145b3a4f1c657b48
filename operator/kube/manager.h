// Starts and stops everything in the right order.
//
//   Manager manager(options, transport, clock, metrics);
//   auto& pods = manager.Watch<PodInfo>({.resource = Pods(), .label_selector = "…"}, {.decode = …, .owner =
//   …,
//                                        .on_change = …});
//   manager.AddController(controller);                     // runs only while we lead, after stores are
//   synced return manager.Run(stop);                              // 0, or 1 when the lease was lost
//
// Order of stopping: controllers, then the lease is given up, then reflectors, then the last events go out.
// Thread-safety: set up and Run from one thread; `synced` from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "operator/kube/leader_elector.h"
#include "operator/kube/reflector.h"
#include "operator/kube/store.h"

namespace pilotlight::kube {

class Controller;
class EventRecorder;

struct ManagerOptions {
  // Which namespaces are watched. Default: all.
  std::vector<std::string> namespaces;
  // None: work at once, without a lease (development only).
  std::optional<LeaderElectorOptions> leader_election;
};

struct WatchOptions {
  Resource resource;
  std::string label_selector = {};
  std::string field_selector = {};
};

class Manager {
 public:
  Manager(ManagerOptions options, Transport& transport, Client& client, Clock& clock, Metrics& metrics);
  ~Manager();

  // A store that is kept in step while Run runs. Lives as long as the manager.
  template <typename T>
  Store<T>& Watch(const WatchOptions& watch, typename Store<T>::Options options) {
    auto store = std::make_unique<Store<T>>(std::move(options));
    Store<T>& result = *store;
    AddReflectors(watch, std::move(store));
    return result;
  }
  // Must outlive Run.
  void AddController(Controller& controller);
  // Something else that runs only while we lead, in a thread of its own, until stopped.
  void AddRunnable(std::function<void(const std::stop_token&)> run);
  void SetEventRecorder(EventRecorder& recorder) { events_ = &recorder; }

  // Whether every store has had its first list.
  bool synced() const;
  bool leading() const;
  // Returns the exit code. Stopping takes well under two seconds.
  int Run(const std::stop_token& stop);

 private:
  void AddReflectors(const WatchOptions& watch, std::unique_ptr<ObjectSink> sink);
  void Lead(const std::stop_token& stop);
  void KeepHouse(const std::stop_token& stop);

  ManagerOptions options_;
  Transport& transport_;
  Clock& clock_;
  Metrics& metrics_;
  std::vector<std::unique_ptr<ObjectSink>> sinks_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;
  std::vector<std::function<void(const std::stop_token&)>> runnables_;
  std::unique_ptr<LeaderElector> elector_;
  EventRecorder* events_ = nullptr;
  std::atomic<bool> leading_without_election_{false};
};

}  // namespace pilotlight::kube
