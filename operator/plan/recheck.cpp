// Golden re-checks: what becomes of pods in the Service that no longer give the golden answers.
#include <algorithm>
#include <vector>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"

namespace pilotlight::plan {
namespace {

api::RecheckFailure Note(const api::Pod& pod, const api::Failure& failure, api::Time now) {
  return {.pod = pod.meta.name,
          .node = pod.node,
          .reason = failure.reason.empty() ? "GoldenMismatch" : failure.reason,
          .message = Explain(failure),
          .since = now};
}

}  // namespace

// Tells of each once, and replaces one at a time, as long as others give the answers. What a pod last said
// holds until it says something else: an operator that has just been started has not asked anybody yet.
void Planner::Recheck(const api::ReplicaSet& rs) {
  const api::RevisionStatus& record = Record(rs.meta.name);
  const auto every = model_.spec.validation.recheck_interval;
  const bool has_cases = record.level.empty() || record.level == "Answers";
  std::vector<const api::Pod*> drifted;
  std::int64_t serving = 0;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    if (!fleet_.IsMember(*pod) || !pod->ready) continue;
    if (every.count() > 0 && has_cases && pod->running && !pod->ip.empty()) {
      decision_.watch.push_back(pod->meta.uid);
    }
    if (fleet_.Serves(*pod)) ++serving;
    const auto& known = model_.status.recheck_failures;
    const auto before = std::ranges::find(known, pod->meta.name, &api::RecheckFailure::pod);
    const api::Report* report = fleet_.ReportOf(*pod);
    const bool answered = report != nullptr && report->error.empty();
    if (answered ? !report->recheck_failure : before == known.end()) continue;
    drifted.push_back(pod);
    // What was noted first stays: each re-check finds other values, and each change would be a write.
    next_.recheck_failures.push_back(before != known.end() ? *before
                                                           : Note(*pod, *report->recheck_failure, seen_.now));
  }
  decision_.watch_every = every;
  const std::int64_t sound =
      serving - std::ranges::count_if(drifted, [&](const api::Pod* pod) { return fleet_.Serves(*pod); });
  // One of several may be missing: what is called Ready stays so.
  // One thing at a time: not while pods come and go for another reason. And not by an invalid spec's numbers.
  const api::ReplicaSet* candidate = fleet_.Find(next_.candidate_revision);
  const bool moves = rs.replicas != wanted_ || Leaver() != nullptr ||
                     (candidate != nullptr && candidate->traffic == kTrafficService);
  const bool may_go = !moves && sound > 0 && serving > wanted_ - Spare(model_.spec.rollout, wanted_);
  const api::Pod* goes = !drifted.empty() && may_go && MayReplace() ? drifted.front() : nullptr;
  for (const api::RecheckFailure& failure : next_.recheck_failures) {
    if (std::ranges::contains(model_.status.recheck_failures, failure.pod, &api::RecheckFailure::pod))
      continue;
    events_.push_back({true, "GoldenRecheckFailed",
                       "pod " + failure.pod + " on node " + failure.node +
                           " no longer gives the golden answers of " + rs.meta.name + ": " + failure.reason +
                           ": " + failure.message +
                           (sound > 0 ? "; it is replaced while others serve"
                                      : "; it goes on serving, as no other pod gives them")});
  }
  if (goes == nullptr) return;
  events_.push_back({true, "PodReplaced",
                     "pod " + goes->meta.name + " on node " + goes->node +
                         " no longer gives the golden answers, and is replaced"});
  decision_.actions.emplace_back(Delete{Kind::kPod, goes->meta.name, goes->meta.uid, {}});
}

}  // namespace pilotlight::plan
