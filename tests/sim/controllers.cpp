#include "tests/sim/controllers.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace pilotlight::sim {
namespace {

using api::Pod;
using api::ReplicaSet;
using namespace std::chrono_literals;

bool IsActive(const Pod& pod) {
  return !pod.meta.deleting && pod.phase != "Failed" && pod.phase != "Succeeded";
}

}  // namespace

std::vector<const Pod*> VictimsFirst(const ApiServer& api, const ReplicaSet& rs) {
  std::vector<const Pod*> pods;
  std::map<std::string, int> on_node;
  for (const auto& [name, pod] : api.pods.all()) {
    if (pod->meta.owner_uid != rs.meta.uid || !IsActive(*pod)) continue;
    pods.push_back(pod.get());
    ++on_node[pod->node];
  }
  const auto rank = [&](const Pod* pod) {
    const int phase = pod->phase == "Pending" ? 0 : pod->phase == "Running" ? 2 : 1;
    const auto ready = pod->ready_since.value_or(api::Time::max()).time_since_epoch().count();
    return std::tuple(!pod->node.empty(), phase, pod->ready, -on_node[pod->node], -ready, -pod->restarts,
                      -pod->meta.created.time_since_epoch().count(), pod->meta.uid);
  };
  std::ranges::sort(pods, {}, rank);
  return pods;
}

Controllers::Controllers(EventQueue& queue, Random& random, ApiServer& api, const Weather& weather,
                         Ledger& ledger)
    : queue_(queue), random_(random), api_(api), weather_(weather), ledger_(ledger) {}

void Controllers::Changed(ObjectKind kind) {
  if (kind == ObjectKind::kReplicaSet || kind == ObjectKind::kPod) SyncSoon(5ms, 80ms);
  if (kind == ObjectKind::kReplicaSet || kind == ObjectKind::kModel) CollectSoon();
}

void Controllers::SyncSoon(Millis least, Millis most) {
  if (std::exchange(syncing_, true)) return;
  queue_.After(random_.Between(least, most), [this] {
    syncing_ = false;
    Sync();
  });
}

void Controllers::Sync() {
  std::vector<std::shared_ptr<const ReplicaSet>> all;
  for (const auto& [name, rs] : api_.replica_sets.all()) all.push_back(rs);
  for (const auto& rs : all) Sync(*rs);
}

void Controllers::Sync(const ReplicaSet& rs) {
  if (rs.meta.deleting) return;
  auto pods = VictimsFirst(api_, rs);
  std::vector<std::string> surplus;
  for (std::int64_t i = 0; i < std::ssize(pods) - rs.replicas; ++i) surplus.push_back(pods[i]->meta.name);
  for (const std::string& name : surplus) {
    Pod next = *api_.pods.Find(name);
    next.meta.deleting = true;
    api_.Put(api_.pods, std::move(next));
  }
  bool refused = false;
  std::int64_t there = std::ssize(pods) - std::ssize(surplus);
  for (; there < rs.replicas; ++there) {
    const auto counted = std::ranges::count_if(
        api_.pods.all(), [](const auto& entry) { return entry.second->phase != "Failed"; });
    if (counted >= weather_.quota) {
      refused = true;
      break;
    }
    Create(rs);
  }
  if (refused) queue_.After(3s, [this] { SyncSoon(0ms, 0ms); });
  const std::string failure = refused ? "FailedCreate" : "";
  if (rs.current_replicas == there && rs.failure_reason == failure) return;
  ReplicaSet next = rs;
  next.current_replicas = there;
  next.failure_reason = failure;
  next.failure_message = refused ? "exceeded quota: pods" : "";
  api_.Put(api_.replica_sets, std::move(next));
}

void Controllers::Create(const ReplicaSet& rs) {
  const std::string uid = api_.NewUid();
  // Born of a template that somebody changed by hand.
  if (ledger_.tampered.contains(rs.meta.uid)) ledger_.tampered.insert(uid);
  api_.Put(api_.pods, Pod{.meta = {.name = rs.meta.name + "-" + uid,
                                   .ns = ApiServer::kNamespace,
                                   .uid = uid,
                                   .owner_uid = rs.meta.uid,
                                   .owner_name = rs.meta.name,
                                   .instance = ApiServer::kName,
                                   .revision = rs.meta.revision,
                                   .created = std::chrono::floor<std::chrono::seconds>(queue_.now())},
                          .traffic = rs.traffic,
                          .digest = rs.digest,
                          .phase = "Pending"});
}

void Controllers::CollectSoon() {
  if (std::exchange(collecting_, true)) return;
  queue_.After(random_.Between(50ms, 1500ms), [this] {
    collecting_ = false;
    Collect();
  });
}

// Background deletion: what has lost its owner goes.
void Controllers::Collect() {
  const std::string owner = api_.model() == nullptr ? "" : api_.model()->uid;
  const auto sweep = [&](auto& in) {
    std::vector<std::string> orphans;
    for (const auto& [name, object] : in.all()) {
      if (object->meta.owner_uid != owner) orphans.push_back(name);
    }
    for (const std::string& name : orphans) api_.Remove(in, name);
  };
  sweep(api_.config_maps);
  sweep(api_.replica_sets);
  sweep(api_.services);
  sweep(api_.budgets);
  std::vector<std::string> orphans;
  for (const auto& [name, pod] : api_.pods.all()) {
    const ReplicaSet* rs = api_.replica_sets.Find(pod->meta.owner_name);
    if (!pod->meta.deleting && (rs == nullptr || rs->meta.uid != pod->meta.owner_uid))
      orphans.push_back(name);
  }
  for (const std::string& name : orphans) {
    Pod next = *api_.pods.Find(name);
    if (next.phase == "Failed") {
      api_.Remove(api_.pods, name);
      continue;
    }
    next.meta.deleting = true;
    api_.Put(api_.pods, std::move(next));
  }
}

}  // namespace pilotlight::sim
