#pragma once

#include <map>
#include <string>
#include <utility>

#include "operator/analysis/segment.h"

// The sum of counters that live in pods, which restart, go and are asked again.
//
// A counter is that of one container of one pod, and only ever grows: its highest reading is what is known of
// it. So the order of the readings does not matter, nor that one comes twice or late; what a container
// counted after its last reading is lost, and nothing becomes negative.
//
// Thread-safety: one thread.
namespace pilotlight::analysis {

class Tally {
 public:
  // Names one run of one container: the pod's UID, and what is new with each start, e.g. the container's ID.
  using Counter = std::pair<std::string, std::string>;

  // Of a reading that cannot be (less than 0, more bad than requests) nothing is believed.
  void Read(const Counter& counter, const Events& now);

  Events Total() const;
  // By the pod's UID.
  std::map<std::string, Events> ByPod() const;

  // To keep, and to go on from.
  const std::map<Counter, Events>& Counters() const { return counters_; }

 private:
  std::map<Counter, Events> counters_;
};

}  // namespace pilotlight::analysis
