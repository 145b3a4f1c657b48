#include "operator/plan/plan.h"

#include <algorithm>
#include <utility>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"
#include "operator/plan/revision.h"

namespace pilotlight::plan {

using api::Phase;
using api::RevisionPhase;

Decision Plan(const Observed& seen) {
  // Garbage collection takes the children. Making new ones would keep a foreground deletion from ever ending.
  if (seen.model.deleting) return {};
  return Planner(seen).Run();
}

std::string UnseenStable(const Observed& seen) {
  const std::string& stable = seen.model.status.stable_revision;
  const auto is_it = [&](const api::ReplicaSet& rs) { return rs.meta.name == stable; };
  return std::ranges::any_of(seen.replica_sets, is_it) ? std::string() : stable;
}

Planner::Planner(const Observed& seen)
    : seen_(seen),
      model_(seen.model),
      fleet_(seen),
      target_(model_.errors.empty() ? RevisionName(model_) : std::string()),
      stable_(StableRevision()),
      wanted_(model_.spec.replicas),
      bounds_(BoundsOf(model_.spec.rollout, wanted_)),
      next_(model_.status) {}

// The status's word, as long as there is something behind it. Should the status have been lost, or the
// ReplicaSet that it names, or another revision be asked for before the first has grown up, the oldest one
// that is pinned and serves is the stable one: promotion never takes the old one out first. If none
// else is left, it is one that was about to leave; but what was given up gets no further pods.
std::string Planner::StableRevision() const {
  const auto owns_service = [](const api::ReplicaSet& rs) { return !rs.meta.deleting && !rs.digest.empty(); };
  const std::string& said = model_.status.stable_revision;
  if (const api::ReplicaSet* rs = fleet_.Find(said)) return owns_service(*rs) ? said : std::string();
  // What is being rolled out is not stable before all of it has served; nor does an invalid spec make it so.
  const std::string& candidate = target_.empty() ? model_.status.rollout.revision : target_;
  const bool lost = model_.status.observed_generation == 0;
  const api::ReplicaSet* oldest = nullptr;
  for (const api::ReplicaSet& rs : seen_.replica_sets) {
    if (!owns_service(rs) || fleet_.CountServing(rs.meta.name) == 0) continue;
    if (rs.meta.name == candidate && !lost) continue;
    if (const auto* record = model_.status.FindRevision(rs.meta.name); record != nullptr && record->aborted)
      continue;
    const auto rank = [](const api::ReplicaSet& of) {
      return std::pair(of.traffic != kTrafficService, of.meta.created);
    };
    if (oldest == nullptr || rank(rs) < rank(*oldest)) oldest = &rs;
  }
  return oldest == nullptr ? std::string() : oldest->meta.name;
}

Decision Planner::Run() {
  KeepRecords();
  next_.recheck_failures.clear();
  if (target_.empty()) {
    Invalid();
  } else {
    NoteAttempt();
    NoteAbort();
    NotePromote();
    Decide();
    RetireOthers();
    KeepService();
    KeepKeys();
    KeepBudget();
    ForgetOldRevisions();
  }
  KeepConfigs();
  FillStatus();
  Announce();
  return std::move(decision_);
}

void Planner::Decide() {
  if (wanted_ == 0) return Stopped();
  if (target_ == stable_) return Steady();
  if (Record(target_).phase == RevisionPhase::kFailed) return Failed();
  if (Record(target_).aborted) return Aborted();
  if (again_ && !model_.spec.rollout.paused) return ClearForRetry();
  Candidate();
}

// A new try is judged by pods of its own: what is left of the last one, of which nobody may have heard yet
// that it failed, ends first.
bool Planner::HasOldTrial() const {
  const api::ReplicaSet* rs = target_ == stable_ ? nullptr : fleet_.Find(target_);
  return rs != nullptr && rs->digest.empty() &&
         (rs->replicas > 0 || rs->current_replicas > 0 || !fleet_.Pods(target_).empty());
}

void Planner::ClearForRetry() {
  const api::ReplicaSet& rs = *fleet_.Find(target_);
  next_.candidate_revision = target_;
  Enter(Phase::kProving);
  Await({"Retrying", "the pods of the last try of " + target_ + " end first", false});
  KeepStable();
  if (rs.replicas > 0) Change(rs, 0, kTrafficNone, {});
}

// A new revision, or a new token, is a new attempt; nothing else is. A token gives a revision that failed or
// was aborted another try.
void Planner::NoteAttempt() {
  auto& rollout = next_.rollout;
  again_ = rollout.retry != model_.spec.rollout.retry && HasOldTrial();
  const std::string& retry = again_ ? rollout.retry : model_.spec.rollout.retry;
  const bool retried = rollout.retry != retry;
  if (rollout.revision == target_ && !retried) return;
  api::RevisionStatus& record = Record(target_);
  const bool failed = record.phase == RevisionPhase::kFailed;
  if ((failed || record.aborted) && record.retry != retry && !again_) {
    if (failed) record.phase = RevisionPhase::kUnproven;
    record.failure.reset();
    record.aborted.reset();
    record.retry.clear();
  }
  rollout = {.phase = target_ == stable_ ? rollout.phase : Phase::kNone,
             .revision = target_,
             .retry = retry,
             .attempt = rollout.attempt + 1,
             .since = target_ == stable_ ? rollout.since : std::nullopt};
}

// Nothing of the spec can be trusted, the number of replicas included: what serves is left as it is.
void Planner::Invalid() {
  Enter(Phase::kInvalid);
  next_.candidate_revision.clear();
  const api::FieldError& first = model_.errors.front();
  std::string message = first.field + ": " + first.message;
  if (const auto more = model_.errors.size() - 1; more > 0)
    message += " (and " + std::to_string(more) + " more)";
  Await({"InvalidSpec", std::move(message), true});
  if (const api::ReplicaSet* rs = fleet_.Find(stable_)) {
    wanted_ = rs->replicas;
    Keep(*rs, wanted_);
  }
}

void Planner::Stopped() {
  Enter(Phase::kStopped);
  next_.candidate_revision.clear();
  next_.rollout.canary.reset();  // whoever comes back begins anew
  Await({"ScaledToZero", "spec.replicas is 0", false});
  KeepStable();
}

void Planner::Failed() {
  Enter(Phase::kFailed);
  next_.candidate_revision.clear();
  const auto& failure = Record(target_).failure;
  Await({failure ? failure->reason : "Failed",
         target_ + " failed its proof: " + (failure ? Explain(*failure) : std::string()), true});
  KeepStable();
}

void Planner::Steady() {
  next_.candidate_revision.clear();
  const api::ReplicaSet& rs = *fleet_.Find(stable_);
  const Phase before = next_.rollout.phase;
  const bool reverts = before != Phase::kRetiring && Leaver() != nullptr;
  const bool scaled = rs.replicas != wanted_;
  KeepStable();
  if (reverts) {
    Enter(Phase::kReverting);
    AwaitPods(stable_);
  } else if (before == Phase::kRetiring && PodsLeftBut(stable_)) {
    Enter(Phase::kRetiring);
  } else if (fleet_.CountServing(stable_) < wanted_ || scaled) {
    const bool waiting_already = before == Phase::kScaling || before == Phase::kDegraded;
    Enter(scaled ? Phase::kScaling : waiting_already ? before : Phase::kDegraded);
    AwaitPods(stable_);
  } else {
    Enter(PodsLeftBut(stable_) ? Phase::kRetiring : Phase::kComplete);
  }
}

bool Planner::PodsLeftBut(const std::string& revision) const {
  return std::ranges::any_of(seen_.replica_sets, [&](const api::ReplicaSet& rs) {
    return rs.meta.name != revision && (rs.replicas > 0 || rs.current_replicas > 0);
  });
}

void Planner::Again(std::chrono::seconds after) {
  after = std::max(after, std::chrono::seconds(1));
  if (!decision_.again_after || after < *decision_.again_after) decision_.again_after = after;
}

}  // namespace pilotlight::plan
