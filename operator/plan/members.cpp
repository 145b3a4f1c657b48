// Pods towards their ReplicaSet's template, and what must leave.
#include <algorithm>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"

namespace pilotlight::plan {
namespace {

constexpr std::int64_t kMostReplacements = 8;
constexpr std::chrono::seconds kFirstReplacementDelay{10};
constexpr std::chrono::seconds kLongestReplacementDelay{300};

}  // namespace

void Planner::Change(const api::ReplicaSet& rs, std::int64_t replicas, const std::string& traffic,
                     const std::string& digest) {
  decision_.actions.emplace_back(
      ChangeReplicaSet{rs.meta.name, rs.meta.uid, replicas, traffic, digest, rs.meta.resource_version});
}

void Planner::Label(const api::Pod& pod, const std::string& traffic, const std::string& digest) {
  decision_.actions.emplace_back(
      LabelPod{pod.meta.name, pod.meta.uid, pod.meta.resource_version, traffic, digest});
}

void Planner::Probe(const api::Pod& pod) {
  if (!pod.running || pod.ip.empty() || std::ranges::contains(decision_.probe, pod.meta.uid)) return;
  decision_.probe.push_back(pod.meta.uid);
}

// The stable revision while nothing of the candidate is in the Service: all of it, or what there is room for;
// or, where another revision must leave, as it grows in its place.
void Planner::KeepStable() {
  const api::ReplicaSet* rs = fleet_.Find(stable_);
  if (rs == nullptr) return;
  const api::ReplicaSet* leaver = Leaver();
  if (leaver != nullptr && wanted_ > 0) SplitIsOff(*leaver);
  // No pod goes while those that it has taken over from hand it every request; nor while they hand over some,
  // for they may have to answer all of them any moment.
  const bool handed =
      next_.rollout.phase == api::Phase::kRetiring && next_.rollout.canary && PodsLeftBut(stable_);
  if (wanted_ > 0 && (handed || MayBeSplit())) return Keep(*rs, std::max(rs->replicas, StableSize(*rs)));
  if (leaver == nullptr || next_.rollout.phase == api::Phase::kRetiring || wanted_ == 0) {
    // The pod that proves the candidate is one more. Where there shall be none, one of the stable pods makes
    // room.
    const bool makes_room = !next_.candidate_revision.empty() && bounds_.surge == 0;
    return Keep(*rs, ScaledDown(SideOf(*rs), makes_room ? bounds_.Least() : StableSize(*rs)));
  }
  const Sizes sizes = Roll(bounds_, SideOf(*leaver), SideOf(*rs, Available()));
  Keep(*rs, sizes.to);
  if (leaver->replicas != sizes.from && !MayLeave())
    Change(*leaver, sizes.from, leaver->traffic, leaver->digest);
  AgainWhenAvailable(stable_);
}

// All pods that are wanted; but where they have made room for a canary, they come back as that leaves.
std::int64_t Planner::StableSize(const api::ReplicaSet& rs) const {
  if (!IsProportional()) return wanted_;
  std::int64_t room = bounds_.Most();
  for (const api::ReplicaSet& other : seen_.replica_sets) {
    if (other.meta.name != rs.meta.name) room -= std::max(other.replicas, other.current_replicas);
  }
  return std::clamp(room, std::min(rs.replicas, wanted_), wanted_);
}

// In the Service, bound, and `replicas` pods.
void Planner::Keep(const api::ReplicaSet& rs, std::int64_t replicas) {
  api::ReplicaSet kept = rs;
  kept.traffic = kTrafficService;
  if (rs.traffic != kTrafficService || rs.replicas != replicas)
    Change(rs, replicas, kept.traffic, kept.digest);
  Admit(kept);
  Recheck(kept);
  ReplaceHopeless(kept);
}

// Of pods that a ReplicaSet is just taking, its own count knows before we see them go.
Side Planner::SideOf(const api::ReplicaSet& rs, std::chrono::seconds at_least) const {
  return {.replicas = rs.replicas,
          .ready = fleet_.CountReady(rs.meta.name),
          .serving = std::min(fleet_.CountServing(rs.meta.name, at_least), rs.current_replicas)};
}

// For how long a pod must have served until another one may go for it.
std::chrono::seconds Planner::Available() const {
  return std::max(std::chrono::seconds(model_.spec.rollout.min_ready_seconds), seen_.settings.settle);
}

void Planner::AgainWhenAvailable(const std::string& revision) {
  for (const api::Pod* pod : fleet_.Pods(revision)) {
    if (!fleet_.Serves(*pod) || !pod->ready_since) continue;
    if (const api::Time when = *pod->ready_since + Available(); when > seen_.now) AgainAt(when);
  }
}

// Labels towards the template. A pod made before the pin was set must have shown that it has the pinned
// bytes; one with others goes. True when every pod is a member.
bool Planner::Admit(const api::ReplicaSet& rs) {
  bool all = true;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    if (pod->digest == rs.digest) {
      if (pod->traffic == rs.traffic) continue;
      Label(*pod, rs.traffic, rs.digest);
      all = false;
      continue;
    }
    all = false;
    const bool proves = pod->digest.empty() && fleet_.Proves(*pod, rs.meta.name);
    if (proves && fleet_.ReportOf(*pod)->digest == rs.digest) {
      // Its report is kept until the label is seen: should that write fail, the next one needs the proof too.
      Probe(*pod);
      Label(*pod, rs.traffic, rs.digest);
    } else if (proves || !pod->digest.empty()) {
      events_.push_back({true, "SourceChanged",
                         "pod " + pod->meta.name + " has other bytes than " + rs.meta.name +
                             " is pinned to, and is replaced: the file at spec.model.uri was changed"});
      decision_.actions.emplace_back(Delete{Kind::kPod, pod->meta.name, pod->meta.uid, {}});
    } else {
      Probe(*pod);
    }
  }
  return all;
}

// Whether one more pod may be replaced now; then it is counted. Ever more slowly, and not for ever.
bool Planner::MayReplace() {
  auto& rollout = next_.rollout;
  if (rollout.replaced_pods >= kMostReplacements) return false;
  if (rollout.last_replaced) {
    const auto delay = std::min(kFirstReplacementDelay * (std::int64_t{1} << rollout.replaced_pods),
                                kLongestReplacementDelay);
    if (seen_.now < *rollout.last_replaced + delay) {
      AgainAt(*rollout.last_replaced + delay);
      return false;
    }
  }
  ++rollout.replaced_pods;
  rollout.last_replaced = seen_.now;
  return true;
}

// Pods of a proven revision that failed their own proof for good: a bad disk, a bad node, a changed source.
// The revision stands.
void Planner::ReplaceHopeless(const api::ReplicaSet& rs) {
  if (rs.digest.empty()) return;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    if (pod->ready) continue;
    Probe(*pod);
    const api::Report* report = fleet_.ReportOf(*pod);
    if (report == nullptr || !report->error.empty() || !report->final || !report->failure) continue;
    if (!MayReplace()) continue;
    events_.push_back({true, "PodReplaced",
                       "pod " + pod->meta.name + " on node " + pod->node + " failed a proof that " +
                           rs.meta.name + " has passed, and is replaced: " + report->failure->reason + ": " +
                           Explain(*report->failure)});
    decision_.actions.emplace_back(Delete{Kind::kPod, pod->meta.name, pod->meta.uid, {}});
  }
}

// Everything but the stable revision and the candidate leaves the Service, as soon as others serve in its
// place; and its pods end when requests that were on their way have arrived.
void Planner::RetireOthers() {
  const api::ReplicaSet* staying = MayLeave() ? nullptr : Leaver();
  for (const api::ReplicaSet& rs : seen_.replica_sets) {
    if (rs.meta.deleting || rs.meta.name == stable_ || rs.meta.name == next_.candidate_revision) continue;
    if (&rs == staying || IsStillNeeded(rs)) continue;
    Retire(rs);
  }
}

void Planner::Retire(const api::ReplicaSet& rs) {
  if (!SplitIsOff(rs)) return;
  const auto& pods = fleet_.Pods(rs.meta.name);
  const auto is_out = [](const api::Pod* pod) { return pod->traffic == kTrafficNone; };
  const bool out = rs.traffic == kTrafficNone && std::ranges::all_of(pods, is_out);
  // First and in any case: it is refused, and so is all that follows, if the ReplicaSet that was seen is
  // older than its pods, and was let in since.
  if (!out) Change(rs, rs.replicas, kTrafficNone, rs.digest);
  for (const api::Pod* pod : pods) {
    if (!is_out(pod)) Label(*pod, kTrafficNone, pod->digest);
  }
  if (!out || rs.replicas == 0) return;
  const auto& rollout = next_.rollout;
  if (rollout.phase == api::Phase::kRetiring && rollout.since) {
    const api::Time end = *rollout.since + seen_.settings.scale_down_delay;
    if (seen_.now < end) return AgainAt(end);
  }
  Change(rs, 0, kTrafficNone, rs.digest);
}

}  // namespace pilotlight::plan
