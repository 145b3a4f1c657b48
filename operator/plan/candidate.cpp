// From the proof to being the stable revision. Each step is written into the status or the
// ReplicaSet before the next one starts, so any of them may be the last before a crash.
#include <algorithm>
#include <optional>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"

namespace pilotlight::plan {

using api::Phase;

namespace {

// Bound, and its pods are in the Service, or may enter it.
bool InService(const api::ReplicaSet* rs) {
  return rs != nullptr && !rs->digest.empty() && rs->traffic == kTrafficService;
}

bool InSplit(const api::ReplicaSet* rs) {
  return rs != nullptr && !rs->digest.empty() && rs->traffic == kTrafficSplit;
}

}  // namespace

void Planner::Candidate() {
  next_.candidate_revision = target_;
  const api::ReplicaSet* rs = fleet_.Find(target_);
  if (InSplit(rs) && !stable_.empty()) return Canary(*rs);
  // Who is gone, or has yet to be proven anew, is handed nothing.
  if (auto& canary = next_.rollout.canary; canary && !InService(rs)) canary->desired = canary->applied = 0;
  if (model_.spec.rollout.paused) return Pause(rs);
  if (InService(rs)) {
    Grow(*rs);
  } else if (rs != nullptr) {
    Prove(*rs);
  } else {
    Enter(Phase::kProving);
    Await({"Starting", "the first pod of " + target_ + " is being made", false});
    KeepStable();
  }
  // Last: what scaling takes away makes room for it.
  CreateRevision();
}

// Everything stays as it is, but for what scaling asks for. A proof that comes in is noted.
void Planner::Pause(const api::ReplicaSet* rs) {
  Enter(Phase::kPaused);
  Await({"Paused", "spec.rollout.paused is true", false});
  if (!InService(rs)) {
    const bool on_trial = rs != nullptr && Record(target_).phase != api::RevisionPhase::kProven;
    if (!on_trial || NoteProof(*rs) != Trial::kFailed) KeepStable();
    Expel();
    return;
  }
  const bool handed = GoOnHandingOver(*rs);
  const Side candidate = SideOf(*rs, Available());
  if (const api::ReplicaSet* stable = fleet_.Find(stable_)) {
    const std::int64_t held = Hold(bounds_, SideOf(*stable), candidate);
    Keep(*stable, handed ? std::max(held, stable->replicas) : held);
  }
  if (rs->replicas > wanted_ && !handed) {
    if (const auto size = ScaledDown(candidate, wanted_); size != rs->replicas)
      Change(*rs, size, rs->traffic, rs->digest);
    AgainWhenAvailable(target_);
  }
  Admit(*rs);
}

// For how many pods of the candidate.
std::int64_t Planner::Room() const {
  const api::ReplicaSet* stable = fleet_.Find(stable_);
  return bounds_.Most() - (stable == nullptr ? 0 : stable->replicas);
}

// The proof is in the status; one write binds every later pod to its bytes and lets them in.
void Planner::Promote(const api::ReplicaSet& rs) {
  if (!NobodyElseGetsTraffic()) {
    Enter(Phase::kProving);
    Await({"Superseding", "an older candidate is leaving the Service first", false});
    return;
  }
  // What serves, whoever has let it in, is not taken out of the Service for it.
  if (GoesBySteps() && fleet_.CountReady(target_) == 0) return BeginCanary(rs);
  if (!KeepsItsRequests(rs)) {
    Enter(Phase::kProving);
    Await({"WaitingForWeight",
           "pods of " + target_ +
               " still hand requests to the revision that took their place, and are "
               "told to stop first",
           false});
    return;
  }
  if (fleet_.Find(stable_) != nullptr && Room() < 1) {  // it is just making some
    Enter(Phase::kProving);
    AwaitPods(stable_);
    return;
  }
  Enter(Phase::kPromoting);
  Await({"Promoting", target_ + " is proven and enters the Service", false});
  // Two that were on trial both stay: which of them goes is not ours to choose. What comes back with more
  // pods than there is room for loses some, but none that serves: somebody may have changed its label by
  // hand.
  const std::int64_t fits = std::max({Room(), fleet_.CountReady(target_), std::int64_t{1}});
  const std::int64_t size = rs.digest.empty() ? rs.replicas : std::min(rs.replicas, fits);
  api::ReplicaSet promoted = rs;
  promoted.traffic = kTrafficService;
  promoted.digest = Record(target_).digest;
  Change(rs, size, promoted.traffic, promoted.digest);
  Admit(promoted);
}

// In the Service and bound: the first pod is let in; then the revision grows as far as there is room, the
// stable one shrinks behind what serves of it, and in the end all of it must be ready.
void Planner::Grow(const api::ReplicaSet& rs) {
  const bool handed = GoOnHandingOver(rs);
  const bool admitted = Admit(rs);
  const std::chrono::seconds min_ready(model_.spec.rollout.min_ready_seconds);
  const bool sized = handed ? rs.replicas >= wanted_ : rs.replicas == wanted_;
  const bool grown = admitted && sized && SideOf(rs, min_ready).serving >= wanted_;
  if (!grown) {
    Enter(Phase::kPromoting);
    NoteServing();
    if (auto why = Undo()) return Abort(std::move(*why));
    ReplaceHopeless(rs);
    AgainWhenAvailable(target_);
  }
  const api::ReplicaSet* stable = fleet_.Find(stable_);
  const api::ReplicaSet* from = stable == nullptr ? Leaver() : stable;
  const Sizes sizes = Roll(bounds_, from == nullptr ? Side{} : SideOf(*from), SideOf(rs, Available()));
  const bool resized = handed ? rs.replicas < sizes.to : rs.replicas != sizes.to;
  if (admitted && resized) Change(rs, sizes.to, rs.traffic, rs.digest);
  if (stable != nullptr) {
    Keep(*stable, grown || handed ? stable->replicas : sizes.from);
  } else if (from != nullptr && !grown && !MayLeave() && from->replicas != sizes.from) {
    Change(*from, sizes.from, from->traffic, from->digest);
  }
  if (!grown) return;
  Enter(Phase::kSettling);
  Await({"Settling", "all pods are ready; waiting until every node knows of them", false});
  const api::Time settled = next_.rollout.since.value_or(seen_.now) + seen_.settings.settle;
  if (seen_.now < settled) return AgainAt(settled);
  stable_ = target_;
  Record(target_).split_until.reset();
  next_.candidate_revision.clear();
  Enter(PodsLeftBut(target_) ? Phase::kRetiring : Phase::kComplete);
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

// But for what must serve until the candidate does, where nothing is stable.
bool Planner::NobodyElseGetsTraffic() const {
  const api::ReplicaSet* staying = stable_.empty() && !MayLeave() ? Leaver() : nullptr;
  return std::ranges::none_of(seen_.replica_sets, [&](const api::ReplicaSet& rs) {
    return rs.meta.name != stable_ && rs.meta.name != target_ && &rs != staying &&
           (fleet_.GetsTraffic(rs.meta.name) || rs.traffic == kTrafficSplit);
  });
}

}  // namespace pilotlight::plan
