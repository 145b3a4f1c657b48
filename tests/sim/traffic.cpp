#include "tests/sim/traffic.h"

#include <algorithm>
#include <chrono>

namespace pilotlight::sim {

using plan::testing::Peer;
using State = Sidecar::State;
using namespace std::chrono_literals;

Traffic::Traffic(EventQueue& queue, const ApiServer& api, const Nodes& nodes, const Network& network,
                 const Weather& weather, const Ledger& ledger)
    : queue_(queue), api_(api), nodes_(nodes), network_(network), weather_(weather), ledger_(ledger) {}

void Traffic::Started(const std::string& uid, const std::string& container) {
  const auto [front, is_new] =
      fronts_.try_emplace(uid, Front{plan::testing::Sidecar(uid, "sha256:" + container), Now()});
  if (!is_new) front->second.split.Restart("sha256:" + container);
  told_.erase(uid);
}

bool Traffic::IsAlive(const std::string& uid) const {
  const Sidecar* sidecar = nodes_.SidecarOf(uid);
  return sidecar != nullptr && sidecar->state != State::kNone;
}

const api::Pod* Traffic::At(const std::string& ip) const {
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->ip == ip && IsAlive(pod->meta.uid)) return pod.get();
  }
  return nullptr;
}

std::optional<std::string> Traffic::Obey(const std::string& ip, const plan::Order& order) {
  const api::Pod* pod = At(ip);
  if (pod == nullptr) return std::nullopt;
  const std::string uid = pod->meta.uid;
  Front& front = fronts_.at(uid);
  Count(uid, front);
  const std::string refused = front.split.Obey(order);
  if (!refused.empty()) return refused;
  told_.erase(uid);
  if (const auto end = front.split.Expires()) {
    told_.insert(uid);
    queue_.After(*end - queue_.now(), [this, uid, end] {
      const auto found = fronts_.find(uid);
      if (found == fronts_.end() || found->second.split.Expires() != end) return;
      Count(uid, found->second);
      front_changed(uid);
    });
  }
  front_changed(uid);
  return std::string();
}

void Traffic::Tell(const std::string& uid, api::Report& report) {
  const auto found = fronts_.find(uid);
  if (found == fronts_.end()) return;
  Count(uid, found->second);
  found->second.split.Tell(report, Now());
}

bool Traffic::Counts(const std::string& uid) const {
  const auto found = fronts_.find(uid);
  if (found == fronts_.end()) return false;
  const auto& split = found->second.split;
  return weather_.requests > 0 ? split.Counts() && network_.IsRouted(uid) : split.Probes(Now());
}

void Traffic::Count() {
  for (auto& [uid, front] : fronts_) Count(uid, front);
}

void Traffic::Count(const std::string& uid, Front& front) {
  const api::Time from = std::exchange(front.counted, Now());
  if (!Counts(uid) || from == Now()) return;
  const Sidecar* sidecar = nodes_.SidecarOf(uid);
  const api::Pod* pod = api_.PodOf(uid);
  if (sidecar == nullptr || !sidecar->accepting || pod == nullptr) return;
  const auto rate = [&](const std::set<int>& versions, const std::string& revision) {
    const auto version = ledger_.version_of.find(revision);
    return version != ledger_.version_of.end() && versions.contains(version->second) ? 0.3 : 0;
  };
  if (weather_.requests == 0) {
    const double errors = rate(weather_.failing, pod->meta.revision);
    for (api::Time second = from; second < Now(); second += 1s) front.split.Idle(errors, second);
    return;
  }
  plan::testing::Load load{.requests = static_cast<double>(weather_.requests),
                           .stable_errors = rate(weather_.failing, pod->meta.revision),
                           .stable_slow = rate(weather_.slow, pod->meta.revision)};
  for (const Peer& peer : front.split.peers()) {
    if (Answering(front, peer) == nullptr) load.unreachable.insert(peer.pod_uid);
    load.candidate_errors = rate(weather_.failing, peer.revision);
    load.candidate_slow = rate(weather_.slow, peer.revision);
  }
  for (api::Time second = from; second < Now(); second += 1s) front.split.Serve(load, second);
}

const api::Pod* Traffic::Answering(const Front& from, const Peer& peer) const {
  const api::Pod* there = At(peer.ip);
  if (there == nullptr) return nullptr;
  const auto to = fronts_.find(there->meta.uid);
  const Sidecar* sidecar = nodes_.SidecarOf(there->meta.uid);
  const bool takes = to != fronts_.end() && sidecar->accepting &&
                     to->second.split.certificate() == peer.certificate &&
                     to->second.split.Accepts(from.split.certificate());
  return takes ? there : nullptr;
}

double Traffic::WeightOf(const std::string& uid) const {
  const auto found = fronts_.find(uid);
  return found == fronts_.end() || !IsAlive(uid) ? 0 : found->second.split.WeightInForce(Now());
}

std::vector<Traffic::Hop> Traffic::Hops() const {
  std::vector<Hop> hops;
  for (const std::string& uid : told_) {
    if (WeightOf(uid) == 0) continue;
    const Front& front = fronts_.at(uid);
    const api::Pod* pod = api_.PodOf(uid);
    if (pod == nullptr || !nodes_.SidecarOf(uid)->accepting) continue;
    for (const Peer& peer : front.split.peers()) hops.push_back({pod, &peer, Answering(front, peer)});
  }
  return hops;
}

const plan::testing::Sidecar* Traffic::FrontOf(const std::string& uid) const {
  const auto found = fronts_.find(uid);
  return found == fronts_.end() ? nullptr : &found->second.split;
}

}  // namespace pilotlight::sim
