#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/plan/decision.h"
#include "operator/plan/observed.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/nodes.h"
#include "tests/sim/traffic.h"

namespace pilotlight::sim {

// What becomes of one order.
enum class OrderFate : std::uint8_t {
  kDone,
  kLost,      // no answer, and nobody has heard it
  kLate,      // no answer, and it arrives when others have come and gone
  kNoAnswer,  // no answer, but it was heard
  kRefused,   // as by a front that has no keys yet
};

// The operator's questions to sidecars and what it tells them, as operator/control/scraper.h has them.
// Instead of asking at an interval it is told when there is something new, and asks within that interval:
// nothing happens at rest. Fronts that count requests have always something new.
//
// Thread-safety: one thread.
class Scraper {
 public:
  Scraper(EventQueue& queue, Random& random, const Nodes& nodes, Traffic& traffic,
          std::function<OrderFate()> fate, std::function<void()> changed);

  void Want(const plan::Observed& seen, const plan::Decision& decision);
  // One that was obeyed is not sent again; while one is under way no other is sent to the same pod, nor after
  // one that failed, before the pod was asked again.
  void Tell(const std::vector<plan::Order>& orders);
  void SidecarChanged(const std::string& uid);
  void AddReports(plan::Observed& seen) const;
  void Forget() { asked_.clear(); }

 private:
  struct Told {
    int id = 0;
    std::int64_t epoch = 0;
    enum class State : std::uint8_t { kSent, kObeyed, kFailed } state = State::kSent;
    Moment again;  // not before, if it failed
  };
  struct Asked {
    std::string container;
    std::string ip;
    std::string pod_version;
    Moment since;
    bool seldom = false;
    bool under_way = false;
    bool asked_on = false;  // it counts requests, and is asked again in a while
    std::optional<api::Report> report;
    std::optional<Told> told;
    std::string order_error;
    bool decide_again = false;
  };
  void Ask(const std::string& uid, Millis least, Millis most);
  void Take(const std::string& uid, Asked& asked);
  void Send(const plan::Order& order, const std::string& ip, int id);
  void Note(const std::string& uid, int id, const std::optional<std::string>& answer);

  EventQueue& queue_;
  Random& random_;
  const Nodes& nodes_;
  Traffic& traffic_;
  const std::function<OrderFate()> fate_;
  const std::function<void()> changed_;
  std::map<std::string, Asked> asked_;
  int last_id_ = 0;
};

}  // namespace pilotlight::sim
