#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/sim/api_server.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/weather.h"

namespace pilotlight::sim {

// From ready pods to clients' connections: the EndpointSlice controller, and a kube-proxy on each node, each
// of them late in its own way.
//
// Thread-safety: one thread.
class Network {
 public:
  Network(EventQueue& queue, Random& random, ApiServer& api, const Weather& weather);

  void Changed(ObjectKind kind);
  // Whether any node still sends new connections to the pod.
  bool IsRouted(const std::string& uid) const;
  // For each proxy the UIDs of the pods it sends connections to.
  const std::vector<std::set<std::string>>& routes() const { return routes_; }
  // For so long the proxies learn nothing.
  void Freeze(Millis time);

 private:
  void SyncSlices();
  void SyncProxy(std::size_t proxy);

  EventQueue& queue_;
  Random& random_;
  ApiServer& api_;
  const Weather& weather_;
  std::vector<std::set<std::string>> routes_{2};
  std::vector<bool> waiting_ = std::vector<bool>(2);
  bool syncing_ = false;
  Moment frozen_until_;
};

}  // namespace pilotlight::sim
