// The candidate on trial: one pod, outside the Service, until its proof is read. What speaks against the
// revision is written into the status before anything is taken away.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

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

// Whether the same bytes might fare better elsewhere: bad memory, a bad GPU, a processor that was too slow.
bool NodeMayBeToBlame(const api::Failure& failure) {
  constexpr std::array kReasons = {"GoldenMismatch", "NonFiniteOutput", "LoadFailed", "CrashedInCheck",
                                   "CheckTimeout"};
  return std::ranges::contains(kReasons, failure.reason);
}

}  // namespace

void Planner::Prove(const api::ReplicaSet& rs) {
  next_.rollout.canary.reset();  // should its pods have been taken away by hand, it begins anew
  const Trial trial = NoteProof(rs);
  if (trial == Trial::kFailed) return;
  KeepStable();
  if (trial == Trial::kProven) return Promote(rs);
  Enter(Phase::kProving);
  for (const api::Pod* pod : fleet_.Pods(target_)) NoteBytes(*pod);
  if (trial == Trial::kOpen) AwaitPods(target_);
  // A revision that ran before comes back with as many pods as it still has.
  const std::int64_t least = trial == Trial::kDoubted ? 2 : 1;
  const std::int64_t pods = rs.digest.empty() ? least : std::max(rs.replicas, least);
  if (rs.replicas != pods || rs.traffic != kTrafficNone) Change(rs, pods, kTrafficNone, rs.digest);
  Expel();
  ReplaceHopeless(rs);
}

// Whoever labelled it, nothing that is bound to nothing stays in the Service.
void Planner::Expel() {
  for (const api::Pod* pod : fleet_.Pods(target_)) {
    if (pod->traffic != kTrafficService || !pod->digest.empty()) continue;
    Label(*pod, kTrafficNone, {});
  }
}

// A proof is in the status when this returns, and so is what speaks against the revision. One pod that passes
// is enough: what others failed of was their node's fault.
Planner::Trial Planner::NoteProof(const api::ReplicaSet& rs) {
  for (const api::Pod* pod : fleet_.Pods(target_)) Probe(*pod);
  for (const api::Pod* pod : fleet_.Pods(target_)) {
    if (!fleet_.Proves(*pod, target_)) continue;
    const api::Report& report = *fleet_.ReportOf(*pod);
    // A pin from before, and the user's own digest, outrank whatever this pod has found.
    if (!rs.digest.empty() && report.digest != rs.digest) continue;
    if (!model_.spec.model.digest.empty() && report.digest != model_.spec.model.digest) continue;
    if (Fault(report, model_.spec.model)) continue;
    api::RevisionStatus& record = Record(target_);
    record.phase = RevisionPhase::kProven;
    record.digest = report.digest;
    record.proof = report.proof;
    record.level = report.proof.contains("level") && report.proof["level"].is_string()
                       ? report.proof["level"].get<std::string>()
                       : std::string();
    record.failure.reset();
    return Trial::kProven;
  }
  if (!rs.digest.empty()) return Trial::kOpen;  // it has passed before: the pods are to blame
  return Judge(rs);
}

// A failure that a node might have caused is final when a second pod fails, too. Kubernetes gives that one
// another node if it can. Where there is no room for it, or it comes to nothing until the deadline, the first
// one's word stands.
Planner::Trial Planner::Judge(const api::ReplicaSet& rs) {
  std::vector<const api::Pod*> failed;
  std::vector<const api::Pod*> others;
  for (const api::Pod* pod : fleet_.Pods(target_)) {
    const api::Report* report = fleet_.ReportOf(*pod);
    const bool own = report != nullptr && report->error.empty() && report->pod_uid == pod->meta.uid &&
                     report->revision == target_;
    (own && Fault(*report, model_.spec.model) ? failed : others).push_back(pod);
  }
  if (failed.empty()) return Trial::kOpen;
  const api::Report& report = *fleet_.ReportOf(*failed.front());
  const api::Failure failure = *Fault(report, model_.spec.model);
  const auto no_room = [&](const api::Pod* pod) {
    return IsForWantOfRoom(WhatAils(*pod, fleet_.ReportOf(*pod), seen_.settings, seen_.now));
  };
  const auto deadline = Deadline();
  const bool hopeless = std::ranges::any_of(others, no_room) || (others.empty() && WhatAils(rs)) ||
                        (deadline && seen_.now >= *deadline);
  if (failed.size() < 2 && NodeMayBeToBlame(failure) && !hopeless) {
    Await({failure.reason,
           "pod " + failed.front()->meta.name + " on node " + failed.front()->node + ": " + Explain(failure) +
               "; a second pod, on another node if there is one, must confirm it",
           true});
    return Trial::kDoubted;
  }
  api::RevisionStatus& record = Record(target_);
  record.phase = RevisionPhase::kFailed;
  record.failure = failure;
  record.digest = report.digest;
  record.retry = next_.rollout.retry;  // of which these pods are
  Failed();
  return Trial::kFailed;
}

// A large model on a slow line is no reason to give up: bytes move the deadline. Noted seldom, for it is a
// write.
void Planner::NoteBytes(const api::Pod& pod) {
  const api::Report* report = fleet_.ReportOf(pod);
  auto& rollout = next_.rollout;
  if (report == nullptr || report->bytes_fetched <= rollout.bytes_fetched || !rollout.since) return;
  if (seen_.now - LastProgress() < model_.spec.rollout.progress_deadline / 4) return;
  rollout.bytes_fetched = report->bytes_fetched;
  rollout.progressed = seen_.now;
}

}  // namespace pilotlight::plan
