#include "operator/kube/write_gate.h"

#include <algorithm>

#include "operator/kube/json.h"
#include "operator/kube/store.h"

namespace pilotlight::kube {

WriteGate::WriteGate(Clock& clock, std::chrono::milliseconds patience) : clock_(clock), patience_(patience) {}

void WriteGate::Wrote(const Key& key, const StoreView& store, const Key& object,
                      std::string resource_version) {
  const std::scoped_lock lock(mutex_);
  expected_[key].push_back({&store, object, std::move(resource_version), {}, clock_.Monotonic() + patience_});
}

void WriteGate::Deleted(const Key& key, const StoreView& store, const Key& object, std::string uid) {
  const std::scoped_lock lock(mutex_);
  expected_[key].push_back({&store, object, {}, std::move(uid), clock_.Monotonic() + patience_});
}

void WriteGate::Forget(const Key& key) {
  const std::scoped_lock lock(mutex_);
  expected_.erase(key);
}

bool WriteGate::Met(const Expectation& expectation) const {
  if (clock_.Monotonic() >= expectation.until) return true;
  if (expectation.uid.empty()) {
    const std::string seen = expectation.store->SeenUpTo(expectation.object.ns);
    return !seen.empty() && AtLeast(seen, expectation.resource_version);
  }
  const auto version = expectation.store->VersionOf(expectation.object);
  return !version || version->uid != expectation.uid || version->deleting;
}

bool WriteGate::Open(const Key& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = expected_.find(key);
  if (found == expected_.end()) return true;
  std::erase_if(found->second, [this](const Expectation& expectation) { return Met(expectation); });
  if (!found->second.empty()) return false;
  expected_.erase(found);
  return true;
}

}  // namespace pilotlight::kube
