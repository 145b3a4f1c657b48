// Candidates that are taken back after they were let in, and the way back: the stable revision grows, and
// what is not wanted any more shrinks behind it.
#include <algorithm>
#include <optional>
#include <utility>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"

namespace pilotlight::plan {

using api::Phase;
using api::RevisionPhase;

namespace {

constexpr char kRetry[] = "set spec.rollout.retry to try it again";

}  // namespace

// The user's word, as long as it names the candidate, and there is something to go back to: taking a first
// revision back would leave nothing that serves, and gain nobody anything. It is remembered: taking it out of
// the spec changes nothing.
void Planner::NoteAbort() {
  const std::string& named = model_.spec.rollout.abort;
  next_.rollout.ignored.clear();
  if (named.empty()) return;
  const api::RevisionStatus* before = next_.FindRevision(named);
  if (before != nullptr && before->aborted) return;  // it had its effect
  if (named == target_ && target_ != stable_) {
    api::RevisionStatus& record = Record(target_);
    if (record.phase == RevisionPhase::kFailed) return;
    if (stable_.empty()) {
      next_.rollout.ignored =
          "spec.rollout.abort names " + named +
          ", and there is no stable revision to go back to; set spec.replicas to 0 to stop it";
      return;
    }
    record.aborted =
        api::Abort{"AbortedByUser", std::string("spec.rollout.abort names it; take that out and ") + kRetry};
    record.retry = model_.spec.rollout.retry;
    return;
  }
  next_.rollout.ignored = "spec.rollout.abort names " + named + NotTheCandidate();
}

std::string Planner::NotTheCandidate() const {
  return ", which is not the candidate" + (target_ == stable_ ? " (there is none)" : ": that is " + target_);
}

// The same for what is to become stable at once.
void Planner::NotePromote() {
  const std::string& named = model_.spec.rollout.promote;
  if (named.empty() || named == stable_ || !next_.rollout.ignored.empty()) return;
  if (named == target_ && GoesBySteps()) return;
  next_.rollout.ignored =
      "spec.rollout.promote names " + named +
      (named == target_ ? ", which needs no promotion: it is no canary" : NotTheCandidate());
}

// The candidate's pods whose container has started later than that, or is not running now: what happened
// before they were let in is not held against them.
std::vector<const api::Pod*> Planner::StartedSince(api::Time moment) const {
  std::vector<const api::Pod*> pods = fleet_.Pods(target_);
  std::erase_if(
      pods, [&](const api::Pod* pod) { return pod->running && (!pod->started || *pod->started <= moment); });
  return pods;
}

// Why the candidate, whose pods are in the Service, must go. Without a stable revision there is nothing to go
// back to, and where Kubernetes has no room for the pods they are not to blame: that is waited for.
std::optional<api::Abort> Planner::Undo() const {
  if (stable_.empty() || next_.rollout.phase != Phase::kPromoting || !next_.rollout.since)
    return std::nullopt;
  std::int64_t restarts = 0;
  for (const api::Pod* pod : StartedSince(*next_.rollout.since)) restarts += pod->restarts;
  if (restarts > kMostRestarts) {
    return api::Abort{"PodsRestarting", "its pods have restarted " + std::to_string(restarts) +
                                            " times in service (" + trouble_.message + "); " + kRetry};
  }
  const auto deadline = Deadline();
  if (!deadline || seen_.now < *deadline || IsForWantOfRoom(trouble_)) return std::nullopt;
  return api::Abort{"ProgressDeadlineExceeded", "no further pod of it served until the deadline (" +
                                                    trouble_.reason + ": " + trouble_.message + "); " +
                                                    kRetry};
}

void Planner::Abort(api::Abort why) {
  api::RevisionStatus& record = Record(target_);
  record.aborted = std::move(why);
  record.retry = model_.spec.rollout.retry;
  decision_.orders.clear();  // what they were to hand it
  Aborted();
}

void Planner::Aborted() {
  Enter(Phase::kAborted);
  next_.candidate_revision.clear();
  const api::Abort& why = *Record(target_).aborted;
  Await({why.reason, target_ + " was taken back: " + why.message, true});
  KeepStable();
}

// The revision in the Service that is neither the stable one nor the candidate; be it only by its pods, as
// somebody has taken the label from its ReplicaSet by hand.
const api::ReplicaSet* Planner::Leaver() const {
  const api::ReplicaSet* leaver = nullptr;
  for (const api::ReplicaSet& rs : seen_.replica_sets) {
    if (rs.meta.deleting || !fleet_.GetsTraffic(rs.meta.name) || rs.replicas == 0) continue;
    if (rs.meta.name == stable_ || rs.meta.name == next_.candidate_revision) continue;
    if (leaver == nullptr || rs.meta.created < leaver->meta.created) leaver = &rs;
  }
  return leaver;
}

// Whether its last pods may go: those of the stable revision do without them, or own the Service already; or
// there is none, and they serve nobody.
bool Planner::MayLeave() const {
  if (wanted_ == 0 || next_.rollout.phase == Phase::kRetiring) return true;
  if (stable_.empty()) return Leaver() == nullptr || fleet_.CountServing(Leaver()->meta.name) == 0;
  const Side stable = SideOf(*fleet_.Find(stable_), Available());
  return std::min(stable.serving, stable.replicas) >= wanted_;
}

// Whether pods of `rs`, which the stable revision has replaced, must serve on: it has lost some of its own
// since it became stable.
bool Planner::IsStillNeeded(const api::ReplicaSet& rs) const {
  if (wanted_ == 0 || stable_.empty() || next_.rollout.phase != Phase::kRetiring) return false;
  const Side stable = SideOf(*fleet_.Find(stable_));
  return fleet_.CountServing(rs.meta.name) > 0 && stable.serving < std::min(stable.replicas, wanted_);
}

}  // namespace pilotlight::plan
