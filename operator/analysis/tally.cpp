#include "operator/analysis/tally.h"

#include <algorithm>

namespace pilotlight::analysis {

void Tally::Read(const Counter& counter, const Events& now) {
  if (now.bad < 0 || now.bad > now.requests) return;
  Events& known = counters_[counter];
  known.requests = std::max(known.requests, now.requests);
  known.bad = std::max(known.bad, now.bad);
}

Events Tally::Total() const {
  Events total;
  for (const auto& [counter, events] : counters_) total += events;
  return total;
}

std::map<std::string, Events> Tally::ByPod() const {
  std::map<std::string, Events> pods;
  for (const auto& [counter, events] : counters_) pods[counter.first] += events;
  return pods;
}

}  // namespace pilotlight::analysis
