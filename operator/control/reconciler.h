#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "common/time/clock.h"
#include "operator/control/perform.h"
#include "operator/control/stores.h"
#include "operator/kube/controller.h"
#include "operator/plan/observed.h"
#include "operator/plan/plan.h"

namespace pilotlight::kube {
class WriteGate;
}

namespace pilotlight::control {

class Scraper;

using Decide = std::function<plan::Decision(const plan::Observed&)>;

// One ModelDeployment: observe, decide, write the status, act in order, stop at the first failure; if there
// was none, tell the sidecars.
//
// Remembers nothing that a restart could lose, but for why the last try failed. Thread-safety: Reconcile may
// be called from any thread, for one key at a time.
class Reconciler {
 public:
  // All of them must outlive the reconciler. `decide` is there for tests.
  Reconciler(Stores stores, Performer& performer, Scraper& scraper, kube::WriteGate& gate,
             plan::Settings settings, Clock& clock, Decide decide = plan::Plan);

  kube::ReconcileResult Reconcile(const kube::ReconcileContext& context);

 private:
  struct Remembered {
    std::int64_t generation = 0;
    plan::Problem problem;
  };
  std::optional<plan::Problem> ProblemOf(const kube::Key& key, std::int64_t generation);
  kube::ReconcileResult GiveUp(const kube::Key& key, std::int64_t generation, const PerformError& error);
  // Whether writes of `key` have met with conflicts for longer than a race lasts, without one that did not.
  bool IsRefusedForLong(const kube::Key& key);
  void NoteWritten(const kube::Key& key);
  void Forget(const kube::Key& key);

  const Stores stores_;
  Performer& performer_;
  Scraper& scraper_;
  kube::WriteGate& gate_;
  const plan::Settings settings_;
  Clock& clock_;
  const Decide decide_;
  std::mutex mutex_;
  std::map<kube::Key, Remembered> problems_;
  std::map<kube::Key, Clock::Instant> refused_since_;
};

}  // namespace pilotlight::control
