#include "tests/sim/judge.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "operator/plan/names.h"
#include "tests/sim/controllers.h"
#include "tests/sim/limits.h"
#include "tests/sim/require.h"

namespace pilotlight::sim {
namespace {

using api::Phase;
using api::Pod;
using api::ReplicaSet;
using plan::kTrafficNone;
using plan::kTrafficService;

bool IsTrue(const api::Status& status, const char* type) {
  const api::Condition* condition = status.Find(type);
  return condition != nullptr && condition->status == api::ConditionStatus::kTrue;
}

bool Waits(Phase phase) {
  switch (phase) {
    case Phase::kNone:
    case Phase::kInvalid:
    case Phase::kStopped:
    case Phase::kComplete:
    case Phase::kFailed:
    case Phase::kAborted:
    case Phase::kPaused:
      return false;
    default:
      return true;
  }
}

// As the operator saw it, by the rule of behaviour and not by the planner's own code.
bool SeenServing(const plan::Observed& seen, const Pod& pod) {
  return pod.traffic == kTrafficService && !pod.digest.empty() && pod.ready && !pod.meta.deleting &&
         pod.phase != "Failed" && std::ranges::contains(*seen.ready_endpoints, pod.meta.uid);
}

std::int64_t CountSeenServing(const plan::Observed& seen, const std::string& revision) {
  return std::ranges::count_if(seen.pods, [&](const Pod& pod) {
    return (revision.empty() || pod.meta.revision == revision) && SeenServing(seen, pod);
  });
}

bool GivenUp(const api::RevisionStatus& record) {
  return record.phase == api::RevisionPhase::kFailed || record.aborted;
}

}  // namespace

Judge::Judge(const ApiServer& api, const Nodes& nodes, const Network& network, const Traffic& traffic,
             Ledger& ledger)
    : api_(api), nodes_(nodes), network_(network), traffic_(traffic), ledger_(ledger) {}

bool Judge::IsTampered(const Pod& pod) const {
  const ReplicaSet* rs = api_.replica_sets.Find(pod.meta.owner_name);
  return ledger_.tampered.contains(pod.meta.uid) || rs == nullptr || rs->meta.uid != pod.meta.owner_uid ||
         ledger_.tampered.contains(rs->meta.uid);
}

void Judge::CheckWorld() const {
  std::set<std::string> in_service;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->traffic != kTrafficService || pod->meta.deleting || pod->phase == "Failed") continue;
    if (IsTampered(*pod)) continue;
    const ReplicaSet* rs = api_.replica_sets.Find(pod->meta.owner_name);
    in_service.insert(pod->meta.revision);
    Require(IsDigest(pod->digest), [&] { return name + " is in the Service and bound to nothing"; });
    Require(pod->digest == rs->digest,
            [&] { return name + " is in the Service and bound to other bytes than its revision"; });
    const auto proven = ledger_.proven.find(pod->meta.revision);
    Require(proven != ledger_.proven.end() && proven->second.contains(pod->digest),
            [&] { return name + " is in the Service and bound to bytes that nobody has proven"; });
    const Sidecar* sidecar = nodes_.SidecarOf(pod->meta.uid);
    if (!pod->ready || sidecar == nullptr || sidecar->state != Sidecar::State::kReady) continue;
    Require(sidecar->digest == pod->digest, [&] { return name + " serves other bytes than it is bound to"; });
  }
  Require(in_service.size() <= 2,
          [&] { return std::to_string(in_service.size()) + " revisions are in the Service"; });
  for (const auto& routes : network_.routes()) {
    for (const std::string& uid : routes) {
      if (ledger_.hurt.contains(uid) || ledger_.tampered.contains(uid)) continue;
      const Sidecar* sidecar = nodes_.SidecarOf(uid);
      Require(sidecar != nullptr && sidecar->accepting,
              [&] { return "clients are sent to pod " + uid + ", which is gone"; });
    }
  }
  CheckHops(std::move(in_service));
}

bool Judge::Serves(const Pod& pod) const {
  const Sidecar* sidecar = nodes_.SidecarOf(pod.meta.uid);
  return pod.traffic == kTrafficService && !pod.digest.empty() && pod.ready && !pod.meta.deleting &&
         sidecar != nullptr && sidecar->accepting && api_.endpoints() != nullptr &&
         std::ranges::contains(api_.endpoints()->ready_pods, pod.meta.uid);
}

std::set<std::string> Judge::Serving() const {
  std::set<std::string> serving;
  for (const auto& [name, rs] : api_.replica_sets.all()) {
    const auto pods = VictimsFirst(api_, *rs);
    const auto victims = std::clamp<std::int64_t>(std::ssize(pods) - rs->replicas, 0, std::ssize(pods));
    for (std::size_t i = static_cast<std::size_t>(victims); i < pods.size(); ++i) {
      if (Serves(*pods[i])) serving.insert(pods[i]->meta.uid);
    }
  }
  return serving;
}

std::int64_t Judge::Excused(const plan::Observed& seen, const std::set<std::string>& serving,
                            const std::string& revision) const {
  return std::ranges::count_if(seen.pods, [&](const Pod& pod) {
    if (!revision.empty() && pod.meta.revision != revision) return false;
    return SeenServing(seen, pod) && !serving.contains(pod.meta.uid) && ledger_.hurt.contains(pod.meta.uid);
  });
}

// Pods asked for in the Service. Those on trial, one or two, come on top.
std::int64_t Judge::Asked() const {
  std::int64_t asked = 0;
  for (const auto& [name, rs] : api_.replica_sets.all()) {
    if (rs->traffic != kTrafficNone) asked += rs->replicas;
  }
  return asked;
}

WriteResult Judge::CheckWrite(const Write& write, const std::function<WriteResult()>& apply) {
  if (write.status != nullptr) {
    const api::Status before = api_.model() == nullptr ? api::Status() : api_.model()->status;
    const WriteResult result = apply();
    if (result) CheckStatus(write, before);
    return result;
  }
  const std::set<std::string> serving = Serving();
  const std::int64_t asked = Asked();
  CheckTarget(*write.action);
  CheckSplit(write);
  const WriteResult result = apply();
  if (!result) return result;
  Note(*write.action);
  CheckAvailable(write, serving);
  CheckBounds(write, asked);
  return result;
}

// What the operator's view does not show as serving yet, it cannot spare either.
void Judge::CheckAvailable(const Write& write, const std::set<std::string>& before) const {
  if (ledger_.service_tampered || api_.service() == nullptr) return;
  // Each side of a rollout is a ReplicaSet, guarded by its own version only: of two operators that see
  // different things one may shrink the one side, and the other the other.
  if (ledger_.two_writers || !ledger_.tampered.empty()) return;
  const std::set<std::string> after = Serving();
  std::int64_t unknown = 0;
  bool lost = false;
  for (const std::string& uid : before) {
    if (after.contains(uid)) continue;
    const auto pod = std::ranges::find(write.seen.pods, uid, [](const Pod& each) { return each.meta.uid; });
    const bool known = pod != write.seen.pods.end() && SeenServing(write.seen, *pod);
    lost = lost || known;
    unknown += known ? 0 : 1;
  }
  const api::ModelDeployment& model = write.seen.model;
  if (!lost) return;
  // A pod that gives other answers than it should is replaced while all others serve.
  const auto* remove = std::get_if<plan::Delete>(write.action);
  const bool replaced = remove != nullptr && remove->kind == plan::Kind::kPod;
  api::Spec spec = model.spec;
  // What an invalid spec says of numbers means nothing.
  if (!model.errors.empty()) spec.replicas = replaced ? std::ssize(before) : std::ssize(before) + 1;
  const std::int64_t left = std::ssize(after) + unknown + Excused(write.seen, before, "") + JustReady(write);
  const std::int64_t needed =
      replaced ? Enough(spec) : spec.replicas - std::max(Unavailable(spec), Relieved(write.seen));
  Require(left >= needed, [&] {
    return "an action of the operator leaves " + std::to_string(left) + " pods serving, of " +
           std::to_string(needed) + " that must";
  });
}

// Kubernetes takes pods that are not ready first. One that has become ready between the look and the write
// may be kept for one that is listed, and is listed itself in a moment: nobody can know that before.
std::int64_t Judge::JustReady(const Write& write) const {
  const auto* change = std::get_if<plan::ChangeReplicaSet>(write.action);
  if (change == nullptr) return 0;
  return std::ranges::count_if(api_.pods.all(), [&](const auto& entry) {
    const Pod& now = *entry.second;
    const auto seen =
        std::ranges::find(write.seen.pods, now.meta.uid, [](const Pod& each) { return each.meta.uid; });
    return now.meta.owner_uid == change->uid && now.ready && !now.meta.deleting &&
           now.traffic == kTrafficService && !Serves(now) && (seen == write.seen.pods.end() || !seen->ready);
  });
}

// Pods that the operator itself asked for, and whose ReplicaSet it then did not see for longer than its gate
// is patient.
std::int64_t Judge::Unseen(const Write& write) const {
  std::int64_t unseen = 0;
  for (const ReplicaSet& seen : write.seen.replica_sets) {
    const bool changed = std::ranges::any_of(write.decision.actions, [&](const plan::Action& action) {
      const auto* change = std::get_if<plan::ChangeReplicaSet>(&action);
      return change != nullptr && change->uid == seen.meta.uid;
    });
    const ReplicaSet* now = api_.replica_sets.Find(seen.meta.name);
    if (changed || now == nullptr || now->traffic == kTrafficNone) continue;
    unseen += std::max<std::int64_t>(now->replicas - (seen.traffic != kTrafficNone ? seen.replicas : 0), 0);
  }
  return unseen;
}

void Judge::CheckBounds(const Write& write, std::int64_t before) const {
  const api::ModelDeployment& model = write.seen.model;
  const std::int64_t after = Asked();
  if (ledger_.two_writers || ledger_.template_tampered || after <= before || !model.errors.empty()) return;
  // Of two pods that were on trial, the one that did not pass is replaced when its revision has entered the
  // Service.
  const auto* change = std::get_if<plan::ChangeReplicaSet>(write.action);
  const auto promoted = std::ranges::find_if(write.seen.replica_sets, [&](const ReplicaSet& rs) {
    return change != nullptr && rs.meta.uid == change->uid && rs.digest.empty() && rs.replicas == 2;
  });
  const std::int64_t confirming = promoted == write.seen.replica_sets.end() ? 0 : 1;
  // A canary's pods come beside those of the stable revision: from the very first write of it.
  const bool begins = !model.status.rollout.canary && write.decision.status;
  const auto& canary = begins ? write.decision.status->rollout.canary : model.status.rollout.canary;
  const std::int64_t pods = canary ? std::max(canary->replicas, model.spec.replicas) : model.spec.replicas;
  // And those of one that is not asked for any more leave when nobody hands them requests.
  const bool splits = std::ranges::any_of(model.status.revisions, [&](const api::RevisionStatus& record) {
    return record.name != model.status.stable_revision && record.split_until &&
           write.seen.now < *record.split_until + write.seen.settings.settle;
  });
  std::int64_t leaving = 0;
  for (const ReplicaSet& rs : write.seen.replica_sets) {
    if (rs.traffic == plan::kTrafficSplit && rs.meta.name != model.status.candidate_revision)
      leaving += rs.replicas;
    // As do those of the stable one that are too many, while they may hand some over.
    if (splits && rs.meta.name == model.status.stable_revision)
      leaving += std::max<std::int64_t>(rs.replicas - pods, 0);
  }
  const std::int64_t surge = canary ? CanarySurge(model, pods) : Surge(model.spec);
  // What it sees in the Service already it may keep there, though it has missed that some have left.
  const std::int64_t there = std::ranges::count_if(
      write.seen.pods, [](const Pod& pod) { return pod.traffic == kTrafficService && !pod.meta.deleting; });
  const std::int64_t most = std::max(pods + surge + confirming + leaving, there);
  Require(after - Unseen(write) <= most, [&] {
    return "the operator asks for " + std::to_string(after) + " pods in the Service, of " +
           std::to_string(most) + " it may";
  });
}

// Nothing for a revision that was given up, and nobody into the Service who has not proven himself.
void Judge::CheckTarget(const plan::Action& action) const {
  if (const auto* create = std::get_if<plan::Create>(&action)) {
    if (create->kind != plan::Kind::kReplicaSet) return;
    Require(!IsCondemned(create->name) || api_.replica_sets.Find(create->name) != nullptr,
            [&] { return create->name + " was given up, and is made again"; });
  } else if (const auto* change = std::get_if<plan::ChangeReplicaSet>(&action)) {
    const ReplicaSet* rs = api_.replica_sets.Find(change->name);
    if (rs == nullptr || rs->meta.resource_version != change->resource_version) return;
    if (IsCondemned(change->name)) {
      // The status and the ReplicaSet are two objects, each guarded by its own version only: of two operators
      // one may write the verdict between the other's look and its write.
      Require(change->replicas <= rs->replicas || ledger_.two_writers,
              [&] { return change->name + " was given up, and gets pods"; });
      Require(change->traffic == kTrafficNone || rs->traffic != kTrafficNone,
              [&] { return change->name + " was given up, and gets traffic"; });
    }
    const bool leaves = change->traffic == rs->traffic && change->replicas < rs->replicas;
    Require(change->traffic == kTrafficNone || IsDigest(change->digest) ||
                (leaves && ledger_.tampered.contains(rs->meta.uid)),
            [&] { return change->name + " enters the Service bound to nothing"; });
    Require(change->replicas <= 2 || IsDigest(change->digest),
            [&] { return change->name + " grows before it is proven"; });
    Require(rs->digest.empty() || rs->digest == change->digest || ledger_.tampered.contains(rs->meta.uid),
            [&] { return change->name + " changes what it is bound to"; });
  } else if (const auto* label = std::get_if<plan::LabelPod>(&action)) {
    const Pod* pod = api_.pods.Find(label->name);
    if (pod == nullptr || pod->meta.resource_version != label->resource_version) return;
    if (label->traffic == kTrafficNone) return;
    Require(!IsCondemned(pod->meta.revision) || pod->traffic != kTrafficNone,
            [&] { return "a pod of " + pod->meta.revision + ", which was given up, enters the Service"; });
  }
}

void Judge::Note(const plan::Action& action) {
  if (const auto* change = std::get_if<plan::ChangeReplicaSet>(&action)) {
    ledger_.tampered.erase(change->uid);
  } else if (const auto* label = std::get_if<plan::LabelPod>(&action)) {
    ledger_.tampered.erase(label->uid);
  } else if (const auto* repair = std::get_if<plan::Repair>(&action)) {
    if (repair->kind == plan::Kind::kService) ledger_.service_tampered = false;
  } else if (const auto* create = std::get_if<plan::Create>(&action)) {
    if (create->kind == plan::Kind::kService) ledger_.service_tampered = false;
  }
}

void Judge::CheckStatus(const Write& write, const api::Status& before) {
  CheckStable(write, before);
  CheckPhase(write);
  ledger_.status_lost = false;
  for (const auto& [revision, token] : ledger_.condemned) {
    if (!IsCondemned(revision)) continue;
    const api::RevisionStatus* record = write.status->FindRevision(revision);
    Require(record == nullptr || GivenUp(*record),
            [&] { return "status forgets that " + revision + " was given up"; });
  }
  for (const api::RevisionStatus& record : write.status->revisions) {
    if (GivenUp(record)) ledger_.condemned[record.name] = record.retry;
  }
}

bool Judge::IsCondemned(const std::string& revision) const {
  const auto found = ledger_.condemned.find(revision);
  return found != ledger_.condemned.end() && api_.model() != nullptr &&
         api_.model()->spec.rollout.retry == found->second;
}

void Judge::CheckStable(const Write& write, const api::Status& before) const {
  const std::string& stable = write.status->stable_revision;
  if (stable.empty() || stable == before.stable_revision || ledger_.status_lost) return;
  // It moves nothing, and did not see for longer than its gate is patient that something had.
  if (stable == write.seen.model.status.stable_revision) return;
  Require(!IsCondemned(stable), [&] { return stable + " was given up, and becomes stable"; });
  const ReplicaSet* rs = api_.replica_sets.Find(stable);
  // Somebody may just have taken it away by hand.
  if (rs == nullptr) return;
  const auto proven = ledger_.proven.find(stable);
  Require(proven != ledger_.proven.end() && proven->second.contains(rs->digest),
          [&] { return stable + " becomes stable unproven"; });
  const std::set<std::string> serving = Serving();
  std::int64_t ready = Excused(write.seen, serving, stable);
  // What serves when something else is asked for before anything was stable is what there is to go back to.
  const bool nothing_stable = api_.replica_sets.Find(before.stable_revision) == nullptr;
  if (nothing_stable && stable != write.status->rollout.revision) return;
  for (const std::string& uid : serving) ready += api_.PodOf(uid)->meta.revision == stable ? 1 : 0;
  if (ledger_.service_tampered || api_.service() == nullptr) return;
  Require(ready >= write.seen.model.spec.replicas, [&] {
    return stable + " becomes stable with " + std::to_string(ready) + " of " +
           std::to_string(write.seen.model.spec.replicas) + " pods serving";
  });
  const std::chrono::seconds at_least(write.seen.model.spec.rollout.min_ready_seconds);
  for (const Pod& pod : write.seen.pods) {
    if (pod.meta.revision != stable || !SeenServing(write.seen, pod)) continue;
    Require(at_least.count() == 0 || write.seen.now - *pod.ready_since >= at_least,
            [&] { return stable + " becomes stable before its pods were ready for minReadySeconds"; });
  }
}

// What status says is so: by what the operator saw, and, as far as it can know, in the world.
void Judge::CheckPhase(const Write& write) const {
  const api::Status& status = *write.status;
  const plan::Observed& seen = write.seen;
  const auto& rollout = status.rollout;
  const std::int64_t wanted = seen.model.spec.replicas;
  const std::string name(api::ToString(rollout.phase));
  Require(status.observed_generation == seen.model.generation,
          [] { return std::string("status names another generation than was observed"); });
  Require(!IsTrue(status, "Reconciling") || !IsTrue(status, "Stalled"),
          [] { return std::string("Reconciling and Stalled are both true"); });
  for (const char* type : {"Ready", "UpToDate", "Validated", "Reconciling", "Stalled"}) {
    Require(status.Find(type) != nullptr, [&] { return std::string("status lacks the condition ") + type; });
  }
  if (Waits(rollout.phase)) {
    Require(!rollout.reason.empty(), [&] { return name + " waits for no reason"; });
    Require(rollout.deadline.has_value(), [&] { return name + " waits without a deadline"; });
    Require(IsTrue(status, "Stalled") || write.decision.again_after || seen.problem,
            [&] { return name + " waits, and nobody will look at its deadline"; });
    Require(IsTrue(status, "Stalled") || IsTrue(status, "Reconciling"),
            [&] { return name + " waits, and is neither Reconciling nor Stalled"; });
  }
  const std::int64_t stable_serving =
      status.stable_revision.empty() ? 0 : CountSeenServing(seen, status.stable_revision);
  const api::Status& old = seen.model.status;
  if (const auto& canary = rollout.canary; canary && canary->applied > 0 &&
                                           status.stable_revision == old.stable_revision &&
                                           status.candidate_revision == rollout.revision)
    CheckWeight(write, static_cast<double>(canary->applied),
                !old.rollout.canary || old.rollout.canary->applied < canary->applied);
  switch (rollout.phase) {
    case Phase::kComplete:
      Require(rollout.revision == status.stable_revision,
              [] { return std::string("Complete with another revision"); });
      Require(stable_serving >= wanted, [] { return std::string("Complete with too few pods"); });
      break;
    case Phase::kRetiring:
      Require(rollout.revision == status.stable_revision,
              [] { return std::string("Retiring what is not replaced"); });
      break;
    case Phase::kSettling:
      Require(CountSeenServing(seen, rollout.revision) >= wanted,
              [] { return std::string("Settling with too few pods"); });
      break;
    case Phase::kStopped:
      Require(wanted == 0, [] { return std::string("Stopped although pods are asked for"); });
      break;
    case Phase::kInvalid:
      Require(!seen.model.errors.empty(), [] { return std::string("Invalid although nothing is wrong"); });
      break;
    case Phase::kFailed: {
      const api::RevisionStatus* record = status.FindRevision(rollout.revision);
      Require(record != nullptr && record->phase == api::RevisionPhase::kFailed,
              [] { return std::string("Failed without a failure"); });
      break;
    }
    case Phase::kAborted: {
      const api::RevisionStatus* record = status.FindRevision(rollout.revision);
      Require(record != nullptr && record->aborted, [] { return std::string("Aborted without an abort"); });
      break;
    }
    case Phase::kCanary:
      Require(rollout.canary && status.candidate_revision == rollout.revision &&
                  status.stable_revision != rollout.revision,
              [] { return std::string("a canary of nobody"); });
      break;
    case Phase::kPaused:
      Require(seen.model.spec.rollout.paused || rollout.canary,
              [] { return std::string("Paused although nobody asks for it"); });
      break;
    case Phase::kReverting:
      Require(rollout.revision == status.stable_revision,
              [] { return std::string("Reverting to another revision"); });
      break;
    default:
      break;
  }
  if (IsTrue(status, "Ready") && !ledger_.service_tampered && api_.service() != nullptr) {
    const std::int64_t needed = seen.model.errors.empty() ? Enough(seen.model.spec) : 1;
    const std::int64_t instead = CountHandedTo(seen, status.candidate_revision);
    Require(CountSeenServing(seen, "") + instead >= needed && needed > 0,
            [] { return std::string("Ready with too few pods"); });
  }
  if (IsTrue(status, "UpToDate")) {
    Require(rollout.revision == status.stable_revision,
            [] { return std::string("UpToDate with another revision"); });
  }
}

}  // namespace pilotlight::sim
