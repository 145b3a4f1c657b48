#pragma once

#include <string>
#include <vector>

#include "tests/sim/api_server.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/ledger.h"
#include "tests/sim/weather.h"

namespace pilotlight::sim {

// The ReplicaSet controller and the garbage collector of kube-controller-manager.
//
// Thread-safety: one thread.
class Controllers {
 public:
  Controllers(EventQueue& queue, Random& random, ApiServer& api, const Weather& weather, Ledger& ledger);

  void Changed(ObjectKind kind);

 private:
  void SyncSoon(Millis least, Millis most);
  void Sync();
  void Sync(const api::ReplicaSet& rs);
  void Create(const api::ReplicaSet& rs);
  void CollectSoon();
  void Collect();

  EventQueue& queue_;
  Random& random_;
  ApiServer& api_;
  const Weather& weather_;
  Ledger& ledger_;
  bool syncing_ = false;
  bool collecting_ = false;
};

// The living pods of `rs`, those first that go first when it is scaled down (Kubernetes'
// ActivePodsWithRanks).
std::vector<const api::Pod*> VictimsFirst(const ApiServer& api, const api::ReplicaSet& rs);

}  // namespace pilotlight::sim
