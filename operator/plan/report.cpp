// What status says, and what is said once, as Events.
#include <algorithm>
#include <format>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"
#include "operator/plan/render.h"
#include "operator/plan/steps.h"

namespace pilotlight::plan {
namespace {

using api::Phase;
using api::RevisionPhase;
using api::RevisionStatus;

// Failed revisions are remembered longer than their ReplicaSets: they must not be tried again.
constexpr std::int64_t kFailuresKept = 20;

std::string ShortDigest(const std::string& digest) {
  return digest.substr(0, std::string("sha256:").size() + 12);
}

bool IsTrue(const api::Status& status, const char* type) {
  const api::Condition* condition = status.Find(type);
  return condition != nullptr && condition->status == api::ConditionStatus::kTrue;
}

}  // namespace

bool Waits(Phase phase) {
  switch (phase) {
    case Phase::kProving:
    case Phase::kCanary:
    case Phase::kPromoting:
    case Phase::kSettling:
    case Phase::kRetiring:
    case Phase::kReverting:
    case Phase::kScaling:
    case Phase::kDegraded:
      return true;
    case Phase::kNone:
    case Phase::kInvalid:
    case Phase::kStopped:
    case Phase::kComplete:
    case Phase::kFailed:
    case Phase::kAborted:
    case Phase::kPaused:
      return false;
  }
  return false;
}

void Planner::Enter(Phase phase) {
  auto& rollout = next_.rollout;
  if (rollout.phase != phase) {
    // A canary that pauses has no fewer pods for that, and none more when it goes on.
    const auto of_a_canary = [](Phase one) { return one == Phase::kCanary || one == Phase::kPaused; };
    if (!rollout.canary || !of_a_canary(rollout.phase) || !of_a_canary(phase)) rollout.updated = 0;
    rollout.phase = phase;
    rollout.since = seen_.now;
    rollout.progressed.reset();
    rollout.bytes_fetched = 0;
  }
  if (phase == Phase::kRetiring) {
    Await({"Retiring", "the pods of the revision before are finishing their requests", false});
  }
  if (phase != Phase::kComplete) return;
  Await({});
  if (!next_.recheck_failures.empty()) return;  // one of these pods may just be going
  rollout.replaced_pods = 0;
  rollout.last_replaced.reset();
}

void Planner::Await(const Trouble& trouble) {
  trouble_ = trouble;
}

// The one thing to tell about pods that are not serving yet: what is wrong rather than what is merely on its
// way.
Trouble Planner::WhatKeepsOut(const std::string& revision) const {
  const api::ReplicaSet& rs = *fleet_.Find(revision);
  if (rs.current_replicas < rs.replicas) {
    if (const auto refused = WhatAils(rs)) return *refused;
  }
  std::optional<Trouble> on_its_way;
  for (const api::Pod* pod : fleet_.Pods(revision)) {
    if (fleet_.Serves(*pod)) continue;
    if (pod->ready && fleet_.IsMember(*pod)) {
      on_its_way = Trouble{"WaitingForEndpoints",
                           "pod " + pod->meta.name + " is ready and not listed in the Service yet"};
      continue;
    }
    Trouble trouble = WhatAils(*pod, fleet_.ReportOf(*pod), seen_.settings, seen_.now);
    if (trouble.wrong) return trouble;
    // Between two tries of the same thing the status would flap, and each flap is a write and an Event.
    const auto& before = model_.status.rollout;
    if (trouble.again && before.phase == next_.rollout.phase && !before.reason.empty()) {
      return {.reason = before.reason, .message = before.message, .wrong = true};
    }
    if (!on_its_way) on_its_way = std::move(trouble);
  }
  if (on_its_way) return *on_its_way;
  if (const auto& ended = fleet_.EndedPods(revision); !ended.empty() && fleet_.Pods(revision).empty()) {
    return WhatAils(*ended.back(), nullptr, seen_.settings, seen_.now);
  }
  return {"WaitingForPods", "Kubernetes is making the pods of " + revision};
}

void Planner::AwaitPods(const std::string& revision) {
  Await(WhatKeepsOut(revision));
}

RevisionStatus& Planner::Record(const std::string& revision) {
  const auto found = std::ranges::find(next_.revisions, revision, &RevisionStatus::name);
  if (found != next_.revisions.end()) return *found;
  return *next_.revisions.insert(next_.revisions.begin(), RevisionStatus{.name = revision});
}

// One record for each ReplicaSet, and for failures without one. What was lost with the status is taken from
// the pins.
void Planner::KeepRecords() {
  std::int64_t failures = 0;
  std::erase_if(next_.revisions, [&](const RevisionStatus& record) {
    if (record.name == target_ || fleet_.Find(record.name) != nullptr) return false;
    if (MayBeSplit(record)) return false;  // be it that its ReplicaSet is only not seen
    const bool never_again = record.phase == RevisionPhase::kFailed || record.aborted;
    return !never_again || ++failures > kFailuresKept;
  });
  std::vector<const api::ReplicaSet*> by_age;
  for (const api::ReplicaSet& rs : seen_.replica_sets) by_age.push_back(&rs);
  std::ranges::sort(by_age, {},
                    [](const api::ReplicaSet* rs) { return std::pair(rs->meta.created, rs->meta.name); });
  for (const api::ReplicaSet* rs : by_age) {
    RevisionStatus& record = Record(rs->meta.name);
    const bool may_be_split =
        rs->traffic == kTrafficSplit || (rs->traffic == kTrafficService && rs->meta.name != stable_ &&
                                         model_.spec.rollout.strategy == "Canary");
    if (model_.status.observed_generation == 0 && may_be_split) record.split_until = seen_.now + kSplitLasts;
    if (rs->digest.empty() || record.phase != RevisionPhase::kUnproven) continue;
    record.phase = RevisionPhase::kProven;
    record.digest = rs->digest;
  }
}

void Planner::FillStatus() {
  if (seen_.problem) Await({seen_.problem->reason, seen_.problem->message, true});
  next_.observed_generation = model_.generation;
  next_.url = "http://" + model_.name + "." + model_.ns + ".svc";
  next_.selector = ServingSelector(model_.name);
  next_.stable_revision = stable_;
  next_.replicas = fleet_.CountMembers();
  const std::int64_t serving = fleet_.CountServing();
  next_.ready_replicas = serving;
  const RevisionStatus* stable = next_.FindRevision(stable_);
  next_.level = stable == nullptr ? std::string() : stable->level;

  auto& rollout = next_.rollout;
  rollout.reason = trouble_.reason;
  rollout.message = trouble_.message;
  rollout.deadline = Deadline();
  if (rollout.deadline && seen_.now < *rollout.deadline) AgainAt(*rollout.deadline);
  next_.conditions = Conditions(model_, next_, trouble_, seen_.problem, serving + CountHandedTo(), seen_.now);
  if (next_ != model_.status) decision_.status = next_;
}

std::optional<api::Time> Planner::Deadline() const {
  const auto& rollout = next_.rollout;
  if (!Waits(rollout.phase) || !rollout.since) return std::nullopt;
  if (rollout.phase == Phase::kCanary) return StepDeadline();
  return LastProgress() + model_.spec.rollout.progress_deadline;
}

api::Time Planner::LastProgress() const {
  const api::Time since = next_.rollout.since.value_or(seen_.now);
  return std::max(since, next_.rollout.progressed.value_or(since));
}

// Each change that somebody may want to know of, once. Status is written first; a crash in between loses the
// Event, never the fact.
void Planner::Announce() {
  const api::Status& before = model_.status;
  const auto say = [&](bool warning, std::string reason, std::string message) {
    events_.push_back({warning, std::move(reason), std::move(message)});
  };
  for (const RevisionStatus& now : next_.revisions) {
    const RevisionStatus* then = before.FindRevision(now.name);
    if (now.aborted && (then == nullptr || !then->aborted)) {
      say(true, now.aborted->reason, now.name + " is taken back: " + now.aborted->message);
    }
    if (then != nullptr && then->phase == now.phase) continue;
    if (now.phase == RevisionPhase::kFailed) {
      say(true, now.failure ? now.failure->reason : "Failed",
          now.name + " failed its proof and will not serve: " +
              (now.failure ? Explain(*now.failure) : std::string()));
    } else if (now.phase == RevisionPhase::kProven && now.proof.is_object()) {
      say(false, "Proven", now.name + " is proven (" + now.level + "), bound to " + ShortDigest(now.digest));
    }
  }
  const auto& rollout = next_.rollout;
  if (rollout.attempt != before.rollout.attempt && rollout.phase == Phase::kProving) {
    say(false, "RolloutStarted", "one pod of " + rollout.revision + " is proving it, outside the Service");
  }
  if (!stable_.empty() && stable_ != before.stable_revision) {
    say(false, "Promoted",
        stable_ + " owns the Service now" +
            (before.stable_revision.empty() ? "" : ", in place of " + before.stable_revision));
  }
  if (rollout.canary && rollout.canary->step > 0) AnnounceStep();
  if (rollout.phase != before.rollout.phase) AnnouncePhase();
  if (!rollout.ignored.empty() && rollout.ignored != before.rollout.ignored)
    say(true, "Ignored", rollout.ignored);
  const bool new_trouble = rollout.reason != before.rollout.reason || rollout.phase != before.rollout.phase;
  const bool told = rollout.phase == Phase::kFailed || rollout.phase == Phase::kAborted;  // of the revision
  if (trouble_.wrong && !told && new_trouble) say(true, rollout.reason, rollout.message);
  if (Waits(rollout.phase) && IsTrue(next_, "Stalled") && !IsTrue(before, "Stalled")) {
    say(true, "Stalled",
        "no progress until the deadline (" + rollout.reason + "); the operator keeps trying");
  }
  decision_.actions.insert(decision_.actions.begin(), events_.begin(), events_.end());
}

void Planner::AnnounceStep() {
  const api::RolloutStatus& before = model_.status.rollout;
  const api::CanaryStatus& canary = *next_.rollout.canary;
  if (before.attempt == next_.rollout.attempt && before.canary && before.canary->step == canary.step) return;
  if (Step() == nullptr) return;
  const std::int64_t weight = Step()->weight;
  const std::string mirror =
      MirrorNow() == 0 ? "" : std::format(" and {} % of the others' as a mirror", MirrorNow());
  const std::string passed = canary.step == 1 ? "" : "; before: " + canary.message;
  events_.push_back(
      {false, "StepStarted",
       std::format("{} is to get {} % of the requests{}, by {} of its pods (step {} of {}){}", target_,
                   weight, mirror, PodsFor(wanted_, weight), canary.step, canary.steps, passed)});
}

// Only what no other Event tells.
void Planner::AnnouncePhase() {
  const auto say = [&](const char* reason, std::string message) {
    events_.push_back({false, reason, std::move(message)});
  };
  const auto& rollout = next_.rollout;
  const Phase before = model_.status.rollout.phase;
  if (before == Phase::kPaused) say("Resumed", "the rollout of " + rollout.revision + " goes on");
  switch (rollout.phase) {
    case Phase::kPaused:
      return say("Paused", "the rollout of " + rollout.revision + " stays where it is (" + rollout.reason +
                               "): " + rollout.message);
    case Phase::kReverting:
      return say("Reverting", stable_ + " takes the place of the revision that is not asked for any more");
    case Phase::kStopped:
      return say("ScaledToZero", "spec.replicas is 0: all pods end");
    case Phase::kDegraded:
      return say("Degraded", std::to_string(next_.ready_replicas) + " of " + std::to_string(wanted_) +
                                 " pods serve; the others are waited for");
    case Phase::kScaling:
      return say("Scaling", "there shall be " + std::to_string(wanted_) + " pods");
    case Phase::kComplete:
      if (before == Phase::kDegraded) return say("Recovered", "all pods of " + stable_ + " serve again");
      return say("Completed", "all " + std::to_string(wanted_) + " pods of " + stable_ + " serve");
    default:
      return;
  }
}

}  // namespace pilotlight::plan
