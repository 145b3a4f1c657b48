// The share of the requests that stable pods hand to the candidate (docs/designs/0016-the-split.md): what
// each sidecar must be told, and whether it has heard. A sidecar obeys one call for each epoch, and its
// report says which: so what is read there was obeyed, and nothing older that is still on its way can undo
// it.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "common/time/rfc3339.h"
#include "operator/plan/names.h"
#include "operator/plan/planner.h"
#include "operator/plan/revision.h"

namespace pilotlight::plan {

using nlohmann::json;

namespace {

// Without the operator the stable pods go on splitting for this long, and then serve alone. Renewed at half
// of it.
constexpr std::chrono::minutes kSplitLasts{5};
// Of a request that the candidate is to answer; the sidecar's own bound is half of the time that the request
// has left.
constexpr std::chrono::seconds kHopTimeout{5};
// What a sidecar takes (docs/sidecar.md).
constexpr std::int64_t kMostHeld = 16 * 1024 * 1024;
constexpr std::size_t kMostPeers = 128;
constexpr std::size_t kMostCallers = 512;

bool Answers(const api::Report* report, const api::Pod& pod) {
  return report != nullptr && report->error.empty() && report->pod_uid == pod.meta.uid;
}

}  // namespace

// The stable pods that may get requests.
std::vector<const api::Pod*> Planner::Fronts() const {
  std::vector<const api::Pod*> fronts;
  if (stable_.empty()) return fronts;
  for (const api::Pod* pod : fleet_.Pods(stable_)) {
    if (fleet_.IsMember(*pod) && pod->ready && pod->running) fronts.push_back(pod);
  }
  return fronts;
}

// The candidate's pods that can be handed requests.
std::vector<const api::Pod*> Planner::Peers(const api::ReplicaSet& rs) const {
  std::vector<const api::Pod*> peers;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    const api::Report* report = fleet_.ReportOf(*pod);
    const bool bound = pod->digest == rs.digest && pod->traffic != kTrafficNone;
    if (!bound || !pod->ready || !pod->running || pod->ip.empty() || !Answers(report, *pod)) continue;
    if (report->hop_certificate.empty() || !report->order_error.empty()) continue;
    peers.push_back(pod);
    if (peers.size() == kMostPeers) break;
  }
  return peers;
}

// Has the pod's sidecar told to split as `body` says, until `until`, unless it does. True if it does.
bool Planner::Tell(const api::Pod& pod, json body, std::optional<api::Time> until) {
  Probe(pod);
  const api::Report* report = fleet_.ReportOf(pod);
  if (!Answers(report, pod)) return false;
  const std::string id = RevisionHash(body);  // as good a name for this as for any other JSON
  if (report->split.id == id && (!until || report->split.expires == until)) return true;
  body["id"] = id;
  body["expiresAt"] = FormatTime(until.value_or(seen_.now + kSplitLasts));
  decision_.orders.push_back(Order{.pod_uid = pod.meta.uid,
                                   .revision = pod.meta.revision,
                                   .call = "PUT /split",
                                   .epoch = report->last_epoch + 1,
                                   .body = std::move(body)});
  return false;
}

// The part that is the same for all: with another salt the dice fall anew. Callers do not know the model's
// UID, and so cannot choose their side.
json Planner::SplitBody(std::int64_t weight) const {
  return {{"weight", weight},
          {"salt", model_.uid + "/" + std::to_string(next_.rollout.attempt)},
          {"stableIsFull", true}};
}

// Towards `weight` percent for `rs`. True when every stable pod does so.
bool Planner::Steer(const api::ReplicaSet& rs, std::int64_t weight) {
  api::RevisionStatus& record = Record(rs.meta.name);
  // Written before the first order goes out: whoever ends this must know for how long it may go on.
  if (!record.split_until || *record.split_until < seen_.now + kSplitLasts / 2)
    record.split_until = seen_.now + kSplitLasts;
  AgainAt(*record.split_until - kSplitLasts / 2);

  const auto fronts = Fronts();
  std::set<std::string> callers;
  for (const api::Pod* pod : fronts) {
    Probe(*pod);
    const api::Report* report = fleet_.ReportOf(*pod);
    if (Answers(report, *pod) && !report->hop_certificate.empty() && callers.size() < kMostCallers)
      callers.insert(report->hop_certificate);
  }
  json body = SplitBody(weight);
  const api::Canary rules = Rules();
  body.update({{"segment", SegmentLabel(weight)},
               {"fallback", rules.fallback},
               {"allowRevisionHeader", rules.allow_revision_header},
               {"holdBytes", std::min(model_.spec.endpoint.max_request_bytes, kMostHeld)},
               {"hopTimeoutSeconds", std::min(kHopTimeout, model_.spec.endpoint.timeout).count()}});
  if (!rules.session_header.empty()) body["sticky"] = {{"header", rules.session_header}};
  if (const auto ms = next_.rollout.canary->threshold_ms; ms > 0)
    body["latencyThresholdSeconds"] = static_cast<double>(ms) / 1000;

  if (const std::int64_t percent = MirrorNow(); percent > 0) {
    body["mirror"] = {{"percent", percent}};
    const api::Validation& validation = model_.spec.validation;
    if (validation.absolute_tolerance) body["mirror"]["absoluteTolerance"] = *validation.absolute_tolerance;
    if (validation.relative_tolerance) body["mirror"]["relativeTolerance"] = *validation.relative_tolerance;
  }

  // Nobody is sent to a pod that would not let him in.
  bool open = true;
  json peers = json::array();
  for (const api::Pod* pod : Peers(rs)) {
    json callee = SplitBody(0);
    callee["callers"] = callers;
    open = Tell(*pod, std::move(callee), std::nullopt) && open;
    peers.push_back({{"podUID", pod->meta.uid},
                     {"ip", pod->ip},
                     {"revision", rs.meta.name},
                     {"certificate", fleet_.ReportOf(*pod)->hop_certificate}});
  }
  if (!peers.empty()) body["peers"] = std::move(peers);

  bool all = !fronts.empty();
  for (const api::Pod* pod : fronts) {
    const api::Report* report = fleet_.ReportOf(*pod);
    const bool less = Answers(report, *pod) && static_cast<double>(weight) < report->split.weight;
    all = (open || less) && Tell(*pod, body, record.split_until) && all;
  }
  return all;
}

// Whether no stable pod hands anything to `rs` any more. If not, they are told to stop; one that cannot be
// reached does so by itself when its split expires.
bool Planner::SplitIsOff(const api::ReplicaSet& rs) {
  api::RevisionStatus& record = Record(rs.meta.name);
  if (!record.split_until) return true;
  json body = SplitBody(0);
  body["segment"] = "off " + rs.meta.name + " " + FormatTime(*record.split_until);
  bool off = true;
  for (const api::Pod* pod : Fronts()) off = Tell(*pod, body, std::nullopt) && off;
  const api::Time end = *record.split_until + seen_.settings.settle;
  if (!off && seen_.now < end) {
    AgainAt(end);
    return false;
  }
  record.split_until.reset();
  return true;
}

}  // namespace pilotlight::plan
