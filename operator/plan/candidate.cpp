// From the first pod's proof to being the stable revision. Each step is written into the status or the
// ReplicaSet before the next one starts, so any of them may be the last before a crash.
#include <algorithm>
#include <optional>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"

namespace pilotlight::plan {

using api::Phase;
using api::RevisionPhase;

namespace {

// Why a pod's report speaks against the revision itself, if it does.
std::optional<api::Failure> Fault(const api::Report& report, const api::Model& model) {
  if (report.final && report.failure && report.failure->klass == "Revision") return report.failure;
  // A sidecar from before signatures passes over the demand: then nobody has verified anything.
  const bool demanded = model.signature && model.signature->policy == "Require";
  if (!demanded || !report.proof.is_object()) return std::nullopt;
  if (const auto by = report.proof.find("signature"); by != report.proof.end() && by->contains("keyId")) {
    return std::nullopt;
  }
  return api::Failure{.klass = "Revision",
                      .reason = "SignatureMissing",
                      .phase = report.phase,
                      .message =
                          "the pod proved the model, but says of no key that it has signed it: its sidecar "
                          "cannot verify signatures",
                      .remedy =
                          "Give the operator a --sidecar-image of its own release, then set "
                          "spec.rollout.retry."};
}

}  // namespace

void Planner::Candidate() {
  next_.candidate_revision = target_;
  const api::ReplicaSet* rs = fleet_.Find(target_);
  if (model_.spec.rollout.paused) return Pause(rs);
  CreateRevision();
  if (rs != nullptr && !rs->digest.empty() && rs->traffic == kTrafficService) return Grow(*rs);
  if (rs != nullptr) return Prove(*rs);
  KeepStable();
  Enter(Phase::kProving);
  Await({"Starting", "the first pod of " + target_ + " is being made", false});
}

// Everything stays as it is, but for what scaling asks for. A proof that comes in is noted.
void Planner::Pause(const api::ReplicaSet* rs) {
  Enter(Phase::kPaused);
  Await({"Paused", "spec.rollout.paused is true", false});
  if (rs == nullptr || rs->traffic != kTrafficService) {
    if (rs != nullptr) NoteProof(*rs);
    if (next_.rollout.phase == Phase::kPaused) KeepStable();
    return;
  }
  const Side candidate = SideOf(*rs, Available());
  if (const api::ReplicaSet* stable = fleet_.Find(stable_))
    Keep(*stable, Hold(bounds_, SideOf(*stable), candidate));
  if (rs->replicas > wanted_) Change(*rs, wanted_, rs->traffic, rs->digest);
  Admit(*rs);
}

// Whether a pod of the candidate has proven it; its proof is in the status then. One that speaks against it
// makes it fail.
bool Planner::NoteProof(const api::ReplicaSet& rs) {
  for (const api::Pod* pod : fleet_.Pods(target_)) {
    if (Fail(*pod)) return false;
    Probe(*pod);
  }
  for (const api::Pod* pod : fleet_.Pods(target_)) {
    if (!fleet_.Proves(*pod, target_)) continue;
    const api::Report& report = *fleet_.ReportOf(*pod);
    // A pin from before, and the user's own digest, outrank whatever this pod has found.
    if (!rs.digest.empty() && report.digest != rs.digest) continue;
    if (!model_.spec.model.digest.empty() && report.digest != model_.spec.model.digest) continue;
    api::RevisionStatus& record = Record(target_);
    record.phase = RevisionPhase::kProven;
    record.digest = report.digest;
    record.proof = report.proof;
    record.level = report.proof.contains("level") && report.proof["level"].is_string()
                       ? report.proof["level"].get<std::string>()
                       : std::string();
    record.failure.reset();
    return true;
  }
  return false;
}

// One pod, outside the Service, until its proof is read.
void Planner::Prove(const api::ReplicaSet& rs) {
  const bool proven = NoteProof(rs);
  if (Record(target_).phase == RevisionPhase::kFailed) return;
  KeepStable();
  if (proven) return Promote(rs);
  Enter(Phase::kProving);
  // A revision that ran before comes back with as many pods as it still has.
  const std::int64_t pods = rs.digest.empty() ? 1 : std::max<std::int64_t>(rs.replicas, 1);
  if (rs.replicas != pods) Change(rs, pods, kTrafficNone, rs.digest);
  for (const api::Pod* pod : fleet_.Pods(target_)) NoteBytes(*pod);
  AwaitPods(target_);
  ReplaceHopeless(rs);
}

// The proof is in the status; one write binds every later pod to its bytes and lets them in.
void Planner::Promote(const api::ReplicaSet& rs) {
  if (!NobodyElseGetsTraffic()) {
    Enter(Phase::kProving);
    Await({"Superseding", "an older candidate is leaving the Service first", false});
    return;
  }
  Enter(Phase::kPromoting);
  Await({"Promoting", target_ + " is proven and enters the Service", false});
  api::ReplicaSet promoted = rs;
  promoted.traffic = kTrafficService;
  promoted.digest = Record(target_).digest;
  Change(rs, rs.replicas, promoted.traffic, promoted.digest);
  Admit(promoted);
}

// In the Service and bound: the first pod is let in; then the revision grows as far as there is room, the
// stable one shrinks behind what serves of it, and in the end all of it must be ready.
void Planner::Grow(const api::ReplicaSet& rs) {
  const bool admitted = Admit(rs);
  const std::chrono::seconds min_ready(model_.spec.rollout.min_ready_seconds);
  const bool grown = admitted && rs.replicas == wanted_ && fleet_.CountServing(target_, min_ready) >= wanted_;
  if (!grown) {
    Enter(Phase::kPromoting);
    NoteServing();
    if (auto why = Undo()) return Abort(std::move(*why));
    ReplaceHopeless(rs);
    AgainWhenAvailable(target_);
  }
  const api::ReplicaSet* stable = fleet_.Find(stable_);
  const Sizes sizes = Roll(bounds_, stable == nullptr ? Side{} : SideOf(*stable), SideOf(rs, Available()));
  if (admitted && rs.replicas != sizes.to) Change(rs, sizes.to, rs.traffic, rs.digest);
  if (stable != nullptr) Keep(*stable, grown ? stable->replicas : sizes.from);
  if (!grown) return;
  Enter(Phase::kSettling);
  Await({"Settling", "all pods are ready; waiting until every node knows of them", false});
  const api::Time settled = next_.rollout.since.value_or(seen_.now) + seen_.settings.settle;
  if (seen_.now < settled) return AgainAt(settled);
  stable_ = target_;
  next_.candidate_revision.clear();
  Enter(PodsLeftBut(target_) ? Phase::kRetiring : Phase::kComplete);
}

// True if `pod` shows that the revision itself is bad: it is marked before anything is taken away.
bool Planner::Fail(const api::Pod& pod) {
  const api::ReplicaSet& rs = *fleet_.Find(target_);
  const api::Report* report = fleet_.ReportOf(pod);
  if (!rs.digest.empty() || report == nullptr || !report->error.empty()) return false;
  if (report->pod_uid != pod.meta.uid || report->revision != target_) return false;
  const auto failure = Fault(*report, model_.spec.model);
  if (!failure) return false;
  api::RevisionStatus& record = Record(target_);
  record.phase = RevisionPhase::kFailed;
  record.failure = failure;
  record.digest = report->digest;
  record.retry = model_.spec.rollout.retry;
  Failed();
  return true;
}

// A large model on a slow line is no reason to give up: bytes move the deadline. Noted seldom, for it is a
// write.
void Planner::NoteBytes(const api::Pod& pod) {
  const api::Report* report = fleet_.ReportOf(pod);
  auto& rollout = next_.rollout;
  if (report == nullptr || report->bytes_fetched <= rollout.bytes_fetched || !rollout.since) return;
  const api::Time last = std::max(*rollout.since, rollout.progressed.value_or(*rollout.since));
  if (seen_.now - last < model_.spec.rollout.progress_deadline / 4) return;
  rollout.bytes_fetched = report->bytes_fetched;
  rollout.progressed = seen_.now;
}

// More pods in service than ever before move the deadline, and so does room that has come at last.
void Planner::NoteServing() {
  auto& rollout = next_.rollout;
  const std::int64_t serving = fleet_.CountServing(target_);
  const bool had_room = !IsForWantOfRoom({rollout.reason, {}});
  AwaitPods(target_);
  if (serving <= rollout.updated && (had_room || IsForWantOfRoom(trouble_))) return;
  rollout.updated = std::max(serving, rollout.updated);
  rollout.progressed = seen_.now;
}

bool Planner::NobodyElseGetsTraffic() const {
  return std::ranges::none_of(seen_.replica_sets, [&](const api::ReplicaSet& rs) {
    return rs.meta.name != stable_ && rs.meta.name != target_ && fleet_.GetsTraffic(rs.meta.name);
  });
}

}  // namespace pilotlight::plan
