// What must hold of a canary's split: who gets requests by it, how many, and what becomes of them while it
// is in force.
#include <algorithm>
#include <array>
#include <variant>

#include "operator/plan/names.h"
#include "tests/sim/judge.h"
#include "tests/sim/limits.h"
#include "tests/sim/require.h"

namespace pilotlight::sim {

using api::Pod;
using api::ReplicaSet;
using plan::kTrafficNone;
using plan::kTrafficService;
using plan::kTrafficSplit;

namespace {

const Pod* SeenPod(const plan::Observed& seen, const std::string& uid) {
  const auto pod = std::ranges::find(seen.pods, uid, [](const Pod& each) { return each.meta.uid; });
  return pod == seen.pods.end() ? nullptr : &*pod;
}

// What the pod's sidecar has said of itself to the operator.
const api::Report* SeenReport(const plan::Observed& seen, const Pod& pod) {
  const auto found = seen.reports.find(pod.meta.uid);
  if (found == seen.reports.end()) return nullptr;
  const api::Report& report = found->second;
  // Another pod may have its address by now, and answer in its place.
  const bool own = report.pod_uid == pod.meta.uid && report.container_id == pod.container_id;
  return own && report.error.empty() ? &report : nullptr;
}

// During a canary there are never fewer than when it began.
std::int64_t PodsOf(const plan::Observed& seen, const api::ModelDeployment* now) {
  const std::int64_t replicas = seen.model.spec.replicas;
  return now == nullptr || !now->status.rollout.canary
             ? replicas
             : std::max(replicas, now->status.rollout.canary->replicas);
}

}  // namespace

// With `revisions` in the Service.
void Judge::CheckHops(std::set<std::string> revisions) const {
  for (const Traffic::Hop& hop : traffic_.Hops()) {
    if (hop.to == nullptr) continue;
    const Pod& to = *hop.to;
    const std::string& name = to.meta.name;
    Require(to.meta.uid == hop.told->pod_uid, [&] { return name + " gets requests for another pod"; });
    Require(to.meta.revision == hop.told->revision,
            [&] { return name + " gets requests for another revision"; });
    Require(to.meta.revision != hop.from->meta.revision,
            [&] { return name + " gets requests from its own revision"; });
    if (IsTampered(to)) continue;
    const auto proven = ledger_.proven.find(to.meta.revision);
    Require(IsDigest(to.digest), [&] { return name + " is handed requests and bound to nothing"; });
    Require(proven != ledger_.proven.end() && proven->second.contains(to.digest),
            [&] { return name + " is handed requests and bound to bytes that nobody has proven"; });
    const Sidecar* sidecar = nodes_.SidecarOf(to.meta.uid);
    Require(sidecar->digest == to.digest,
            [&] { return name + " answers what it is handed by other bytes than it is bound to"; });
    if (hop.from->meta.deleting || !network_.IsRouted(hop.from->meta.uid)) continue;
    revisions.insert(to.meta.revision);
    if (!IsTampered(*hop.from)) revisions.insert(hop.from->meta.revision);
  }
  Require(revisions.size() <= 2,
          [&] { return std::to_string(revisions.size()) + " revisions get requests"; });
}

void Judge::CheckOrders(const plan::Observed& seen, const std::vector<plan::Order>& orders) const {
  for (const plan::Order& order : orders) CheckOrder(seen, order);
}

// No more than the pods that are there can carry, to nobody who was given up or who would not let it in.
void Judge::CheckOrder(const plan::Observed& seen, const plan::Order& order) const {
  const Pod* front = SeenPod(seen, order.pod_uid);
  Require(front != nullptr, [&] { return "a call to a pod that was not seen: " + order.pod_uid; });
  const auto weight = order.body["weight"].get<double>();
  const auto& peers = order.body.value("peers", nlohmann::json::array());
  // With a weight for nobody it answers everything itself.
  if (weight == 0 || peers.empty() || ledger_.two_writers) return;
  std::int64_t able = 0;
  for (const auto& peer : peers) {
    const std::string uid = peer["podUID"];
    const std::string revision = peer["revision"];
    const Pod* seen_pod = SeenPod(seen, uid);
    Require(!IsCondemned(revision), [&] { return revision + " was given up, and is given requests"; });
    Require(
        seen_pod != nullptr && seen_pod->meta.revision == revision && seen_pod->traffic != kTrafficNone &&
            IsDigest(seen_pod->digest),
        [&] { return front->meta.name + " is told to hand requests to " + uid + ", which is not bound"; });
    const api::Report* report = SeenReport(seen, *seen_pod);
    Require(report != nullptr && report->hop_certificate == peer["certificate"].get<std::string>() &&
                seen_pod->ip == peer["ip"].get<std::string>(),
            [&] { return front->meta.name + " is told another certificate than that of " + uid; });
    const Pod* now = api_.PodOf(uid);
    const bool hurt = ledger_.hurt.contains(uid);
    if (hurt || (now != nullptr && now->ready && !now->meta.deleting)) ++able;
    const auto* callee = traffic_.FrontOf(uid);
    const auto* caller = traffic_.FrontOf(order.pod_uid);
    const api::Report* own = SeenReport(seen, *front);
    const bool same = own != nullptr && caller->certificate() == own->hop_certificate &&
                      callee->certificate() == report->hop_certificate && !callee->body().is_null() &&
                      callee->body().value("id", "") == report->split.id;
    Require(!same || callee->Accepts(caller->certificate()),
            [&] { return front->meta.name + " is told of " + uid + ", which does not let it in"; });
  }
  const auto pods = PodsOf(seen, api_.model());
  Require(able >= pods || weight * static_cast<double>(pods) <= 100.0 * static_cast<double>(able), [&] {
    return front->meta.name + " is told a weight of " + order.body["weight"].dump() + " with " +
           std::to_string(able) + " pods of " + std::to_string(pods);
  });
}

// What an action takes away, nobody hands requests to any more; nor does the stable revision lose a pod
// while somebody does.
void Judge::CheckSplit(const Write& write) const {
  const plan::Observed& seen = write.seen;
  if (seen.model.spec.replicas == 0 || !seen.model.errors.empty()) return;
  std::string revision;
  std::string uid;
  const auto* change = std::get_if<plan::ChangeReplicaSet>(write.action);
  const auto* label = std::get_if<plan::LabelPod>(write.action);
  const auto* remove = std::get_if<plan::Delete>(write.action);
  const ReplicaSet* rs = change == nullptr ? nullptr : api_.replica_sets.Find(change->name);
  if (rs != nullptr && rs->meta.resource_version != change->resource_version) return;
  const bool fewer = rs != nullptr && change->replicas < rs->replicas;
  if (rs != nullptr && (fewer || (change->traffic == kTrafficNone && rs->traffic != kTrafficNone)))
    revision = change->name;
  if (label != nullptr && label->traffic == kTrafficNone) uid = label->uid;
  if (remove != nullptr && remove->kind == plan::Kind::kPod) uid = remove->uid;
  if (remove != nullptr && remove->kind == plan::Kind::kReplicaSet) revision = remove->name;
  const bool promotes = rs != nullptr && rs->traffic == kTrafficSplit && change->traffic == kTrafficService;
  if (promotes) CheckWeight(write, 100, true);
  if ((revision.empty() && uid.empty()) || ledger_.two_writers) return;
  for (const Traffic::Hop& hop : traffic_.Hops()) {
    const Pod& from = *hop.from;
    const Pod* front = SeenPod(seen, from.meta.uid);
    if (hop.to == nullptr || from.meta.deleting || front == nullptr || front->meta.deleting) continue;
    if (ledger_.hurt.contains(from.meta.uid) || IsTampered(from) || !front->ready) continue;
    if (front->traffic != kTrafficService) continue;
    Require(hop.to->meta.uid != uid && hop.to->meta.revision != revision, [&] {
      return hop.to->meta.name + " is taken back, and " + from.meta.name + " still hands it requests";
    });
    const auto pods = PodsOf(seen, api_.model());
    const auto needed = std::max<std::int64_t>(pods - Relieved(seen), 1);
    Require(revision != from.meta.revision || !fewer || change->replicas >= needed, [&] {
      return revision + " is left with " + std::to_string(change->replicas) + " pods of " +
             std::to_string(needed) + " that its share takes, while it hands requests to " +
             hop.to->meta.revision;
    });
  }
}

// The candidate's pods that may be handed requests in place of stable ones that have made room.
std::int64_t Judge::CountHandedTo(const plan::Observed& seen, const std::string& candidate) const {
  if (!IsProportional(seen.model)) return 0;
  return std::ranges::count_if(seen.pods, [&](const Pod& pod) {
    const api::Report* report = SeenReport(seen, pod);
    return pod.meta.revision == candidate && pod.traffic != kTrafficNone && pod.traffic != kTrafficService &&
           IsDigest(pod.digest) && pod.ready && !pod.meta.deleting && report != nullptr &&
           !report->hop_certificate.empty();
  });
}

// How many pods the stable revision can do without, as every pod of it hands over so much; 0 where it keeps
// all of them. What has changed since a pod last told is not known.
std::int64_t Judge::Relieved(const plan::Observed& seen) const {
  const api::ModelDeployment* now = api_.model();
  if (now == nullptr || !IsProportional(seen.model) || !now->status.rollout.canary) return 0;
  double least = 100;
  for (const Pod& pod : seen.pods) {
    if (pod.meta.revision != seen.model.status.stable_revision || pod.traffic != kTrafficService) continue;
    const api::Report* report = SeenReport(seen, pod);
    if (pod.digest.empty() || !pod.ready || pod.meta.deleting || report == nullptr) continue;
    least = std::min(least, std::max(report->split.weight_in_force, traffic_.WeightOf(pod.meta.uid)));
  }
  // One pod of eleven is 9 %, and 9 % is one pod.
  const std::int64_t pods = PodsOf(seen, now);
  std::int64_t relieved = 0;
  while (relieved < pods && 100 * (relieved + 1) / pods <= static_cast<std::int64_t>(least)) ++relieved;
  return least < 1 ? 0 : relieved;
}

// Every stable pod that serves hands over this share, or more. What has changed since it last told is not
// known, nor of whom nothing was heard yet what he does: then `is_news` must not be said.
void Judge::CheckWeight(const Write& write, double weight, bool is_news) const {
  const plan::Observed& seen = write.seen;
  const std::string& stable = seen.model.status.stable_revision;
  if (api_.replica_sets.Find(stable) == nullptr) return;  // somebody has taken it away by hand
  for (const Pod& pod : seen.pods) {
    if (pod.meta.revision != stable || pod.traffic != kTrafficService || pod.digest.empty() || !pod.ready ||
        pod.meta.deleting)
      continue;
    const api::Report* report = SeenReport(seen, pod);
    if (report == nullptr && (!is_news || ledger_.hurt.contains(pod.meta.uid))) continue;
    const double told = report == nullptr ? -1 : report->split.weight_in_force;
    Require(told >= weight || traffic_.WeightOf(pod.meta.uid) >= weight, [&] {
      return "every stable pod is said to hand over " + std::to_string(weight) + " percent, but " +
             pod.meta.name + " does " + std::to_string(traffic_.WeightOf(pod.meta.uid));
    });
  }
}

// It has pods, and each of them has found other bytes than were proven.
bool Judge::HasLostItsSource(const std::string& revision) const {
  bool lost = false;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->meta.revision != revision) continue;
    const Sidecar* sidecar = nodes_.SidecarOf(pod->meta.uid);
    if (sidecar == nullptr || !sidecar->failure || sidecar->failure->reason != "SourceChanged") return false;
    lost = true;
  }
  return lost;
}

void Judge::CheckRest(bool held) const {
  const api::ModelDeployment* model = api_.model();
  if (model == nullptr || !model->errors.empty()) return;
  for (const Traffic::Hop& hop : traffic_.Hops()) {
    Require(held, [&] { return "at rest, " + hop.from->meta.name + " hands over requests"; });
    Require(!IsCondemned(hop.told->revision),
            [&] { return "at rest, " + hop.told->revision + " was given up, and gets requests"; });
  }
  if (!held) return;
  const auto& canary = model->status.rollout.canary;
  if (HasLostItsSource(model->status.stable_revision)) {
    return Require(model->status.rollout.message.contains("no pod of " + model->status.stable_revision),
                   [] { return std::string("at rest, nobody says why no stable pod hands over"); });
  }
  Require(canary->applied == canary->desired,
          [] { return std::string("at rest, the weight is not in force"); });
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->meta.revision != model->status.stable_revision || !Serves(*pod)) continue;
    const auto weight = traffic_.WeightOf(pod->meta.uid);
    Require(weight == static_cast<double>(canary->applied), [&] {
      return "at rest, " + name + " hands over " + std::to_string(weight) + " percent, and not " +
             std::to_string(canary->applied);
    });
  }
}

}  // namespace pilotlight::sim
