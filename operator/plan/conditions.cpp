// The five conditions. docs/status.md is their truth table, and conditions_test.cpp has a test for each of
// its cells.
#include <algorithm>

#include "operator/plan/planner.h"

namespace pilotlight::plan {
namespace {

using api::Condition;
using api::ConditionStatus;
using api::Phase;
using api::RevisionPhase;

struct Verdict {
  ConditionStatus status;
  std::string reason;
  std::string message;
};

Verdict Yes(std::string reason, std::string message) {
  return {ConditionStatus::kTrue, std::move(reason), std::move(message)};
}
Verdict No(std::string reason, std::string message) {
  return {ConditionStatus::kFalse, std::move(reason), std::move(message)};
}

// Whether the endpoint serves proven pods, whichever revision's. Says nothing about the spec.
Verdict Ready(const api::ModelDeployment& model, std::int64_t serving) {
  const std::int64_t replicas = model.spec.replicas;
  if (model.errors.empty() && replicas == 0) return No("ScaledToZero", "spec.replicas is 0");
  // The spec's number cannot be trusted when the spec is invalid.
  const std::int64_t needed = model.errors.empty() ? Needed(model.spec) : 1;
  if (serving >= needed) return Yes("Serving", "enough proven pods are in the Service and ready");
  if (serving == 0) return No("NoProvenPods", "no proven pod is in the Service and ready");
  return No("TooFewPods",
            "fewer than " + std::to_string(needed) + " proven pods are in the Service and ready");
}

Verdict UpToDate(const api::Status& next, const Trouble& trouble) {
  switch (next.rollout.phase) {
    case Phase::kInvalid:
      return No("InvalidSpec", trouble.message);
    case Phase::kFailed:
      return No("RevisionFailed", trouble.message);
    case Phase::kAborted:
      return No("RevisionAborted", trouble.message);
    default:
      break;
  }
  if (!next.stable_revision.empty() && next.stable_revision == next.rollout.revision) {
    return Yes("UpToDate", next.stable_revision + " is what spec says and owns the Service");
  }
  if (next.rollout.phase == Phase::kStopped)
    return No("ScaledToZero", "with no replicas nothing new is tried");
  if (next.rollout.phase == Phase::kPaused)
    return No("Paused", next.rollout.revision + " does not own the Service yet: " + trouble.message);
  return No("RolloutInProgress", next.rollout.revision + " does not own the Service yet");
}

Verdict Validated(const api::Status& next, const Trouble& trouble) {
  if (next.rollout.phase == Phase::kInvalid) return No("InvalidSpec", trouble.message);
  const api::RevisionStatus* revision = next.FindRevision(next.rollout.revision);
  const auto phase = revision == nullptr ? RevisionPhase::kUnproven : revision->phase;
  const auto& failures = next.recheck_failures;
  if (phase == RevisionPhase::kProven && revision->name == next.stable_revision && !failures.empty()) {
    std::string message =
        "pod " + failures.front().pod + " passed the proof and no longer does: " + failures.front().message;
    if (failures.size() > 1) message += " (and " + std::to_string(failures.size() - 1) + " more pods)";
    return No(failures.front().reason, std::move(message));
  }
  if (phase == RevisionPhase::kProven) {
    return Yes(revision->level.empty() ? "Proven" : revision->level,
               revision->name + " is proven, bound to " + revision->digest);
  }
  if (phase == RevisionPhase::kFailed) {
    return No(revision->failure ? revision->failure->reason : "Failed",
              revision->failure ? Explain(*revision->failure) : std::string());
  }
  return {ConditionStatus::kUnknown, "Unproven", next.rollout.revision + " has not been proven yet"};
}

Verdict Stalled(const api::Status& next, const Trouble& trouble, const std::optional<Problem>& problem,
                api::Time now) {
  const auto& rollout = next.rollout;
  const bool for_good = api::IsOver(rollout.phase) || (problem && problem->final);
  const bool late = Waits(rollout.phase) && rollout.deadline && now >= *rollout.deadline;
  if (for_good || late) return Yes(trouble.reason, trouble.message);
  return No("NotStalled", "nothing is in the way for good");
}

Verdict Reconciling(const api::Status& next, const Trouble& trouble, const std::optional<Problem>& problem,
                    bool stalled) {
  // Never both: tools that wait take the first of the two that is true.
  if (stalled) return No("Stalled", "see Stalled");
  if (Waits(next.rollout.phase) || next.rollout.phase == Phase::kPaused || problem)
    return Yes(trouble.reason, trouble.message);
  return No(next.rollout.phase == Phase::kStopped ? "ScaledToZero" : "Complete", "nothing is left to do");
}

}  // namespace

std::int64_t Needed(const api::Spec& spec) {
  return spec.replicas - Spare(spec.rollout, spec.replicas);
}

std::vector<Condition> Conditions(const api::ModelDeployment& model, const api::Status& next,
                                  const Trouble& trouble, const std::optional<Problem>& problem,
                                  std::int64_t serving, api::Time now) {
  std::vector<Condition> out;
  const auto add = [&](const char* type, Verdict verdict) {
    // API servers before 1.21 turn empty text of an apply into null, and then refuse it.
    if (verdict.message.empty()) verdict.message = verdict.reason;
    const Condition* before = model.status.Find(type);
    const bool same = before != nullptr && before->status == verdict.status;
    out.push_back({.type = type,
                   .status = verdict.status,
                   .reason = std::move(verdict.reason),
                   .message = std::move(verdict.message),
                   .observed_generation = model.generation,
                   .last_transition = same ? before->last_transition : now});
  };
  const Verdict stalled = Stalled(next, trouble, problem, now);
  add("Ready", Ready(model, serving));
  add("UpToDate", UpToDate(next, trouble));
  add("Validated", Validated(next, trouble));
  add("Reconciling", Reconciling(next, trouble, problem, stalled.status == ConditionStatus::kTrue));
  add("Stalled", stalled);
  return out;
}

}  // namespace pilotlight::plan
