#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "operator/plan/decision.h"
#include "operator/plan/observed.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/nodes.h"

namespace pilotlight::sim {

// The operator's questions to sidecars, as operator/control/scraper.h has them. Instead of asking at an
// interval it is told when there is something new, and asks within that interval: nothing happens at rest.
//
// Thread-safety: one thread.
class Scraper {
 public:
  Scraper(EventQueue& queue, Random& random, const Nodes& nodes, std::function<void()> changed);

  void Want(const plan::Observed& seen, const plan::Decision& decision);
  void SidecarChanged(const std::string& uid);
  void AddReports(plan::Observed& seen) const;
  void Forget() { asked_.clear(); }

 private:
  struct Asked {
    std::string container;
    std::string pod_version;
    bool seldom = false;
    bool under_way = false;
    std::optional<api::Report> report;
  };
  void Ask(const std::string& uid, Millis least, Millis most);

  EventQueue& queue_;
  Random& random_;
  const Nodes& nodes_;
  const std::function<void()> changed_;
  std::map<std::string, Asked> asked_;
};

}  // namespace pilotlight::sim
