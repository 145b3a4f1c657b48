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

Planner::Planner(const Observed& seen)
    : seen_(seen),
      model_(seen.model),
      fleet_(seen),
      target_(model_.errors.empty() ? RevisionName(model_) : std::string()),
      stable_(StableRevision()),
      wanted_(model_.spec.replicas),
      next_(model_.status) {}

// The status's word, as long as there is something behind it. Should the status have been lost, the oldest
// revision that is pinned and in the Service is the stable one: promotion never takes the old one out first.
std::string Planner::StableRevision() const {
  const auto owns_service = [](const api::ReplicaSet& rs) { return !rs.meta.deleting && !rs.digest.empty(); };
  const std::string& said = model_.status.stable_revision;
  if (const api::ReplicaSet* rs = fleet_.Find(said)) return owns_service(*rs) ? said : std::string();
  if (!said.empty() || model_.status.observed_generation != 0) return {};
  const api::ReplicaSet* oldest = nullptr;
  for (const api::ReplicaSet& rs : seen_.replica_sets) {
    if (!owns_service(rs) || rs.traffic != kTrafficService || fleet_.CountServing(rs.meta.name) == 0)
      continue;
    if (oldest == nullptr || rs.meta.created < oldest->meta.created) oldest = &rs;
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
    if (wanted_ == 0) {
      Stopped();
    } else if (target_ == stable_) {
      Steady();
    } else if (Record(target_).phase == RevisionPhase::kFailed) {
      Failed();
    } else {
      Candidate();
    }
    RetireOthers();
    KeepService();
    KeepBudget();
    ForgetOldRevisions();
  }
  FillStatus();
  Announce();
  return std::move(decision_);
}

// A new revision, or a new token, is a new attempt; nothing else is. A token gives a failed revision another
// try.
void Planner::NoteAttempt() {
  auto& rollout = next_.rollout;
  const bool retried = rollout.retry != model_.spec.rollout.retry;
  if (rollout.revision == target_ && !retried) return;
  if (api::RevisionStatus& record = Record(target_);
      record.phase == RevisionPhase::kFailed && record.retry != model_.spec.rollout.retry) {
    record.phase = RevisionPhase::kUnproven;
    record.failure.reset();
    record.retry.clear();
  }
  rollout = {.phase = target_ == stable_ ? rollout.phase : Phase::kNone,
             .revision = target_,
             .retry = model_.spec.rollout.retry,
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
    Keep(*rs);
  }
}

void Planner::Stopped() {
  Enter(Phase::kStopped);
  next_.candidate_revision.clear();
  Await({"ScaledToZero", "spec.replicas is 0", false});
  if (const api::ReplicaSet* rs = fleet_.Find(stable_)) Keep(*rs);
}

void Planner::Failed() {
  Enter(Phase::kFailed);
  next_.candidate_revision.clear();
  const auto& failure = Record(target_).failure;
  Await({failure ? failure->reason : "Failed",
         target_ + " failed its proof: " + (failure ? Explain(*failure) : std::string()), true});
  if (const api::ReplicaSet* rs = fleet_.Find(stable_)) Keep(*rs);
}

void Planner::Steady() {
  next_.candidate_revision.clear();
  const api::ReplicaSet& rs = *fleet_.Find(stable_);
  const bool scaled = rs.replicas != wanted_;
  CreateRevision();
  Keep(rs);
  const bool others_left = std::ranges::any_of(seen_.replica_sets, [&](const api::ReplicaSet& other) {
    return other.meta.name != stable_ && (other.replicas > 0 || other.current_replicas > 0);
  });
  const Phase phase = next_.rollout.phase;
  if (next_.rollout.phase == Phase::kRetiring && others_left) {
    Await({"Retiring", "the pods of the revision before are finishing their requests", false});
  } else if (fleet_.CountServing(stable_) < wanted_ || scaled) {
    const bool waiting_already = phase == Phase::kScaling || phase == Phase::kDegraded;
    Enter(scaled ? Phase::kScaling : waiting_already ? phase : Phase::kDegraded);
    AwaitPods(stable_);
    ReplaceHopeless(rs);
  } else if (others_left) {
    Enter(Phase::kRetiring);
    Await({"Retiring", "the pods of the revision before are finishing their requests", false});
  } else {
    Enter(Phase::kComplete);
  }
}

void Planner::Again(std::chrono::seconds after) {
  after = std::max(after, std::chrono::seconds(1));
  if (!decision_.again_after || after < *decision_.again_after) decision_.again_after = after;
}

}  // namespace pilotlight::plan
