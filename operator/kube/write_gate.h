// Read your own writes: a key is not worked on before the stores have seen what was last written for it.
//
// Without it, a reconcile that runs on a store that lags behind does its work twice.
// A gate that never opens would be worse than a stale read: after `patience` it opens anyhow.
// Thread-safety: all members may be called from any thread.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/time/clock.h"
#include "operator/kube/key.h"

namespace pilotlight::kube {

class StoreView;

class WriteGate {
 public:
  explicit WriteGate(Clock& clock, std::chrono::milliseconds patience = std::chrono::seconds(10));

  // `key` wrote `object` of `store`, and the server answered with this version. The store must outlive the
  // gate.
  void Wrote(const Key& key, const StoreView& store, const Key& object, std::string resource_version);
  // `key` deleted the object of that UID.
  void Deleted(const Key& key, const StoreView& store, const Key& object, std::string uid);
  // `key` is gone: nothing more is expected.
  void Forget(const Key& key);

  // Whether every expectation of `key` is met or has run out of patience.
  bool Open(const Key& key);

 private:
  struct Expectation {
    const StoreView* store;
    Key object;
    std::string resource_version;  // of a write
    std::string uid;               // of a deletion
    Clock::Instant until;
  };
  bool Met(const Expectation& expectation) const;

  Clock& clock_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::unordered_map<Key, std::vector<Expectation>, KeyHash> expected_;
};

}  // namespace pilotlight::kube
