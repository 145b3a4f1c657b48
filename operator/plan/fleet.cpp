#include "operator/plan/fleet.h"

#include <algorithm>

#include "operator/plan/names.h"

namespace pilotlight::plan {

using api::Pod;
using api::ReplicaSet;
using api::Report;

Fleet::Fleet(const Observed& seen) : seen_(seen) {
  std::map<std::string, std::string> revision_of;
  for (const ReplicaSet& rs : seen.replica_sets) {
    if (rs.meta.deleting) continue;
    replica_sets_[rs.meta.name] = &rs;
    revision_of[rs.meta.uid] = rs.meta.name;
  }
  for (const Pod& pod : seen.pods) {
    const auto revision = revision_of.find(pod.meta.owner_uid);
    if (revision == revision_of.end() || pod.meta.deleting || pod.phase == "Succeeded") continue;
    (pod.phase == "Failed" ? ended_ : pods_)[revision->second].push_back(&pod);
  }
  // By name, so that two looks at the same pods make the same decision; ended ones by age.
  for (auto& [revision, pods] : pods_) std::ranges::sort(pods, {}, [](const Pod* p) { return p->meta.name; });
  for (auto& [revision, pods] : ended_)
    std::ranges::sort(pods, {}, [](const Pod* p) { return p->meta.created; });
}

const ReplicaSet* Fleet::Find(const std::string& revision) const {
  const auto found = replica_sets_.find(revision);
  return found == replica_sets_.end() ? nullptr : found->second;
}

const std::vector<const Pod*>& Fleet::Pods(const std::string& revision) const {
  static const std::vector<const Pod*> kNone;
  const auto found = pods_.find(revision);
  return found == pods_.end() ? kNone : found->second;
}

const std::vector<const Pod*>& Fleet::EndedPods(const std::string& revision) const {
  static const std::vector<const Pod*> kNone;
  const auto found = ended_.find(revision);
  return found == ended_.end() ? kNone : found->second;
}

const Report* Fleet::ReportOf(const Pod& pod) const {
  const auto found = seen_.reports.find(pod.meta.uid);
  if (found == seen_.reports.end() || found->second.container_id != pod.container_id) return nullptr;
  return &found->second;
}

bool Fleet::Proves(const Pod& pod, const std::string& revision) const {
  const Report* report = ReportOf(pod);
  if (report == nullptr || !report->error.empty() || !pod.ready || !pod.running) return false;
  return report->pod_uid == pod.meta.uid && report->revision == revision && report->ready &&
         report->proof.is_object() && IsDigest(report->digest);
}

bool Fleet::IsMember(const Pod& pod) const {
  return pod.traffic == kTrafficService && !pod.digest.empty();
}

bool Fleet::Serves(const Pod& pod) const {
  if (!IsMember(pod) || !pod.ready) return false;
  return !seen_.ready_endpoints || std::ranges::contains(*seen_.ready_endpoints, pod.meta.uid);
}

std::int64_t Fleet::CountServing(const std::string& revision, std::chrono::seconds at_least) const {
  return std::ranges::count_if(Pods(revision), [&](const Pod* pod) {
    if (!Serves(*pod)) return false;
    // Nodes' clocks and ours may disagree: that matters to nobody who asks for no span.
    return at_least.count() == 0 || (pod->ready_since && seen_.now - *pod->ready_since >= at_least);
  });
}

std::int64_t Fleet::CountServing() const {
  std::int64_t count = 0;
  for (const auto& [revision, pods] : pods_) count += CountServing(revision);
  return count;
}

std::int64_t Fleet::CountReady(const std::string& revision) const {
  return std::ranges::count_if(Pods(revision), [&](const Pod* pod) { return IsMember(*pod) && pod->ready; });
}

std::int64_t Fleet::CountMembers() const {
  std::int64_t count = 0;
  for (const auto& [revision, pods] : pods_) {
    count += std::ranges::count_if(pods, [&](const Pod* pod) { return IsMember(*pod); });
  }
  return count;
}

bool Fleet::GetsTraffic(const std::string& revision) const {
  const ReplicaSet* rs = Find(revision);
  if (rs != nullptr && rs->traffic == kTrafficService) return true;
  return std::ranges::any_of(Pods(revision), [](const Pod* pod) { return pod->traffic == kTrafficService; });
}

bool IsDigest(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 64) return false;
  return text.substr(kPrefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace pilotlight::plan
