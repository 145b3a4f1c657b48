#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "operator/plan/decision.h"
#include "operator/plan/observed.h"
#include "tests/sim/api_server.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/scraper.h"
#include "tests/sim/view.h"

namespace pilotlight::sim {

// What becomes of one write.
enum class WriteFate : std::uint8_t {
  kDone,
  kConflict,        // refused: somebody was faster
  kUnavailable,     // refused by an API server in trouble
  kTimeoutLost,     // no answer, and nothing was done
  kTimeoutApplied,  // no answer, but it was done
  kLate,            // no answer, and it is done when nobody waits for it any more
  kCrashBefore,     // the operator dies before it is sent
  kCrashAfter,      // the operator dies when it has been done
  kStaleAfter,      // done, and then nothing arrives at the operator for longer than its gate is patient
};

// One write, as those see it who judge it.
struct Write {
  const plan::Observed& seen;
  const plan::Decision& decision;
  const api::Status* status = nullptr;   // either this
  const plan::Action* action = nullptr;  // or that
};

// The operator's process around Plan(): operator/control/reconciler.cpp and operator/kube/controller.cpp on
// virtual time. It observes, decides, writes the status, then acts in order, stops at the first failure,
// remembers why, and waits until it has seen its own writes. When all is written it tells the sidecars what
// they must do. It dies when it is told to, and starts again with nothing but new lists.
//
// Thread-safety: one thread.
class Operator {
 public:
  struct Hooks {
    // The fate of the next write; asked once for each.
    std::function<WriteFate()> fate;
    // The same for each call to a sidecar.
    std::function<OrderFate()> order_fate;
    // Around each write that reaches the API server: `apply` is called once, in between.
    std::function<WriteResult(const Write&, const std::function<WriteResult()>& apply)> watch_write;
    // Before the orders are sent to which it came by what it saw.
    std::function<void(const plan::Observed& seen, const std::vector<plan::Order>& orders)> watch_orders;
  };

  Operator(EventQueue& queue, Random& random, ApiServer& api, const Nodes& nodes, Traffic& traffic,
           const Weather& weather, plan::Settings settings, Hooks hooks);
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  void Start();
  void Stop();
  // Dies now, and is back after `pause`.
  void Crash(Millis pause);
  bool running() const { return running_; }
  View& view() { return view_; }
  Scraper& scraper() { return scraper_; }
  // By so much its clock is ahead of everybody else's.
  Millis clock_ahead{0};

  // Nothing is being done, waited for or asked.
  bool AtRest() const;
  const std::optional<plan::Decision>& last() const { return last_; }
  std::size_t plans() const { return plans_; }

 private:
  struct Expectation {
    Written written;
    Moment until;
  };
  struct Work {
    plan::Observed seen;
    plan::Decision decision;
    std::size_t next = 0;  // 0: the status
  };
  // Whether an event that was meant for an earlier life of the process comes too late.
  std::function<void()> InThisLife(std::function<void()> what);
  void Wake(Millis delay);
  void WakeAt(Moment when);
  bool GateOpen();
  void Reconcile();
  void NextWrite(std::size_t number);
  WriteResult Send(const Work& work, std::size_t number);
  void Finish();
  void GiveUp(const WriteError& error);
  void Sleep(Millis delay);

  EventQueue& queue_;
  Random& random_;
  ApiServer& api_;
  const plan::Settings settings_;
  const Hooks hooks_;
  View view_;
  Scraper scraper_;
  bool running_ = false;
  int life_ = 0;
  bool dirty_ = false;
  int timer_ = 0;  // the number of the only timer that counts
  std::optional<Moment> timer_at_;
  std::int64_t failures_ = 0;
  std::optional<Work> work_;
  std::vector<Expectation> expected_;
  std::optional<plan::Problem> problem_;
  std::int64_t problem_generation_ = 0;
  std::optional<plan::Decision> last_;
  std::size_t plans_ = 0;
};

}  // namespace pilotlight::sim
