// Workers that take keys from a queue and reconcile them.
//
// Guarantees: one reconcile of a key at a time; a key that changed during its reconcile is reconciled again;
// an exception is an error like any other. Thread-safety: Run is called once; `queue()` may be used from any
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "common/log/log.h"
#include "operator/kube/key.h"

namespace pilotlight {
class Clock;
}

namespace pilotlight::kube {

class Metrics;
class WorkQueue;
class WriteGate;

struct ReconcileResult {
  enum class Kind {
    Done,          // come back when something changes
    RequeueAfter,  // or after `after`
    Error,         // after the key's back-off, at least `after`
    Terminal,      // an error that trying again does not mend: come back when something changes
  };
  Kind kind = Kind::Done;
  std::chrono::milliseconds after{0};
  std::string error;

  static ReconcileResult Done() { return {}; }
  static ReconcileResult RequeueAfter(std::chrono::milliseconds after) {
    return {Kind::RequeueAfter, after, {}};
  }
  static ReconcileResult Failed(std::string error, std::chrono::milliseconds at_least = {}) {
    return {Kind::Error, at_least, std::move(error)};
  }
  static ReconcileResult Terminal(std::string error) { return {Kind::Terminal, {}, std::move(error)}; }
};

struct ReconcileContext {
  Key key;
  std::stop_token stop;  // end soon, best before the next write
  log::Logger log;       // with controller, namespace, name and reconcileID
};
using Reconcile = std::function<ReconcileResult(const ReconcileContext&)>;

struct ControllerOptions {
  std::string name;  // of the kind, in lower case; labels metrics
  // How many keys are worked on at once. Default: 4; each costs one thread and at most one open call.
  int workers = 4;
  Reconcile reconcile;
  // Keys wait until it is open for them. Default: none.
  WriteGate* gate = nullptr;
};

class Controller {
 public:
  Controller(ControllerOptions options, Clock& clock, Metrics& metrics);
  ~Controller();

  WorkQueue& queue() { return *queue_; }
  // Returns when stopped and every worker has ended.
  void Run(const std::stop_token& stop);

 private:
  struct Instruments;
  void Work(const std::stop_token& stop);
  ReconcileResult Call(const ReconcileContext& context);
  void ReconcileOne(const Key& key, int priority, const std::stop_token& stop);

  ControllerOptions options_;
  Clock& clock_;
  std::unique_ptr<WorkQueue> queue_;
  std::unique_ptr<Instruments> instruments_;
};

}  // namespace pilotlight::kube
