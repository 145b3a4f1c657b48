#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

#include "operator/plan/names.h"

namespace pilotlight::sim {

Network::Network(EventQueue& queue, Random& random, ApiServer& api, const Weather& weather)
    : queue_(queue), random_(random), api_(api), weather_(weather) {}

void Network::Changed(ObjectKind kind) {
  if (kind == ObjectKind::kPod || kind == ObjectKind::kService) {
    if (std::exchange(syncing_, true)) return;
    queue_.After(random_.Between(Millis(5), weather_.slices_lag), [this] {
      syncing_ = false;
      SyncSlices();
    });
  }
  if (kind != ObjectKind::kEndpoints) return;
  for (std::size_t proxy = 0; proxy < routes_.size(); ++proxy) {
    if (waiting_[proxy]) continue;
    waiting_[proxy] = true;
    const Millis lag = random_.Between(Millis(5), weather_.proxy_lag);
    queue_.After(std::max(lag, frozen_until_ - queue_.now()), [this, proxy] { SyncProxy(proxy); });
  }
}

void Network::Freeze(Millis time) {
  frozen_until_ = std::max(frozen_until_, queue_.now() + time);
}

void Network::SyncSlices() {
  const api::Service* service = api_.service();
  if (service == nullptr) {
    api_.Remove(api_.slices, ApiServer::kName);
    return;
  }
  std::vector<std::string> ready;
  for (const auto& [name, pod] : api_.pods.all()) {
    const bool selected = service->selector.value(plan::kTrafficLabel, "") == pod->traffic &&
                          service->selector.value(plan::kInstanceLabel, "") == pod->meta.instance;
    if (selected && pod->ready && !pod->meta.deleting) ready.push_back(pod->meta.uid);
  }
  if (const api::Endpoints* now = api_.endpoints();
      now != nullptr && now->ready_pods == ready && now->meta.owner_uid == service->meta.owner_uid)
    return;
  api::Endpoints next;
  next.meta = service->meta;
  next.ready_pods = std::move(ready);
  api_.Put(api_.slices, std::move(next));
}

void Network::SyncProxy(std::size_t proxy) {
  if (queue_.now() < frozen_until_) {
    queue_.After(frozen_until_ - queue_.now(), [this, proxy] { SyncProxy(proxy); });
    return;
  }
  waiting_[proxy] = false;
  routes_[proxy].clear();
  if (const api::Endpoints* slice = api_.endpoints())
    routes_[proxy].insert(slice->ready_pods.begin(), slice->ready_pods.end());
}

bool Network::IsRouted(const std::string& uid) const {
  return std::ranges::any_of(routes_, [&](const auto& routes) { return routes.contains(uid); });
}

}  // namespace pilotlight::sim
