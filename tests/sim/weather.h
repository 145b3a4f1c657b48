#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "tests/sim/random.h"

namespace pilotlight::sim {

// How the world behaves at the moment. Steps of a scenario change it; Heal() ends every fault.
//
// Thread-safety: plain values.
struct Weather {
  // By version of the model (see versions.h).
  std::set<int> unfetchable;
  std::set<int> crashing;
  std::set<int> failing;  // three requests in ten
  std::set<int> slow;     // as many
  // The bytes that a version's URI serves, if they are no longer its own.
  std::map<int, char> other_bytes;
  bool images = true;
  std::int64_t quota = 1000;  // pods

  // The longest that news take.
  Millis watch_lag{20};
  Millis slices_lag{200};
  Millis kubelet_lag{0};   // until it tells what has become of a container
  Millis proxy_lag{1000};  // no more than plan::Settings::settle, which stands for it
  // So many of the last changes of each kind, at most, an operator that starts does not find: it takes a list
  // from a cache, and the rest arrives later.
  std::int64_t stale_lists = 0;
  // Of the operator's writes, and of its calls to sidecars, per cent.
  std::int64_t failing_writes = 0;
  std::int64_t failing_orders = 0;
  // Of clients, in a second, to each pod that any of them is sent to.
  std::int64_t requests = 400;

  void Heal() { *this = Weather(); }
};

}  // namespace pilotlight::sim
