// The share of the requests that stable pods hand to the candidate (docs/designs/0016-the-split.md): what
// each sidecar must be told, and whether it has heard. A sidecar obeys one call for each epoch, and its
// report says which: so what is read there was obeyed, and nothing older that is still on its way can undo
// it.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/time/rfc3339.h"
#include "operator/plan/names.h"
#include "operator/plan/planner.h"
#include "operator/plan/revision.h"
#include "operator/plan/steps.h"

namespace pilotlight::plan {

using nlohmann::json;

namespace {

// An order that came to nothing is given again.
constexpr std::chrono::seconds kTellAgain{5};
// Of a request that the candidate is to answer; the sidecar's own bound is half of the time that the request
// has left.
constexpr std::chrono::seconds kHopTimeout{5};
// Golden requests of a candidate that has nothing else to do.
constexpr std::chrono::duration<double> kProbeEvery{0.5};
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

// The candidate's pods that may be handed requests, when they let them in.
std::vector<const api::Pod*> Planner::Callees(const api::ReplicaSet& rs) const {
  std::vector<const api::Pod*> callees;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    const api::Report* report = fleet_.ReportOf(*pod);
    const bool bound = pod->digest == rs.digest && pod->traffic != kTrafficNone;
    if (!bound || !pod->ready || !pod->running || pod->ip.empty() || !Answers(report, *pod)) continue;
    if (report->hop_certificate.empty()) continue;
    callees.push_back(pod);
    if (callees.size() == kMostPeers) break;
  }
  return callees;
}

// Those of them that do as they are told, as far as is known. One that does not is told again all the same.
std::vector<const api::Pod*> Planner::Peers(const api::ReplicaSet& rs) const {
  std::vector<const api::Pod*> peers = Callees(rs);
  const std::string id = RevisionHash(CalleeBody());
  std::erase_if(peers, [&](const api::Pod* pod) {
    const api::Report& report = *fleet_.ReportOf(*pod);
    return !report.order_error.empty() && report.split.id != id;
  });
  return peers;
}

// What each of the candidate's pods is told: who may call, and what to do where nobody does.
json Planner::CalleeBody() const {
  std::set<std::string> callers;
  for (const api::Pod* pod : Fronts()) {
    const api::Report* report = fleet_.ReportOf(*pod);
    // Who cannot be asked at present goes on handing over what it was told to.
    const bool known = report != nullptr && (!report->error.empty() || report->pod_uid == pod->meta.uid);
    if (known && !report->hop_certificate.empty() && callers.size() < kMostCallers)
      callers.insert(report->hop_certificate);
  }
  // Not of an attempt: who only answers need not hear of the next one.
  json body = {{"weight", 0}, {"salt", model_.uid}, {"stableIsFull", true}, {"callers", callers}};
  if (model_.spec.validation.recheck_interval.count() > 0) body["probeSeconds"] = kProbeEvery.count();
  return body;
}

// What every stable pod of which that is known hands to `rs` at least, in percent.
std::int64_t Planner::LeastInForce(const api::ReplicaSet& rs) const {
  std::optional<double> least;
  for (const api::Pod* pod : Fronts()) {
    const api::Report* report = fleet_.ReportOf(*pod);
    if (!Answers(report, *pod)) continue;
    const double weight = report->split.candidate == rs.meta.name ? report->split.weight_in_force : 0;
    least = std::min(least.value_or(weight), weight);
  }
  return static_cast<std::int64_t>(least.value_or(100));
}

// Has the pod's sidecar told to split as `body` says, until `until`, unless it does. True if it does, be it
// that it must only be told that it shall go on.
bool Planner::Tell(const api::Pod& pod, json body, std::optional<api::Time> until) {
  Probe(pod);
  const api::Report* report = fleet_.ReportOf(pod);
  if (!Answers(report, pod)) return false;
  const std::string id = RevisionHash(body);  // as good a name for this as for any other JSON
  const bool does = report->split.id == id;
  if (does && (!until || report->split.expires == until)) return true;
  body["id"] = id;
  body["expiresAt"] = FormatTime(until.value_or(seen_.now + kSplitLasts));
  decision_.orders.push_back(Order{.pod_uid = pod.meta.uid,
                                   .revision = pod.meta.revision,
                                   .call = "PUT /split",
                                   .epoch = report->last_epoch + 1,
                                   .body = std::move(body)});
  // Should it be lost, nothing else may tell.
  AgainAt(seen_.now + kTellAgain);
  return does;
}

// The part that is the same for all: with another salt the dice fall anew. Callers do not know the model's
// UID, and so cannot choose their side.
json Planner::SplitBody(std::int64_t weight) const {
  return {{"weight", weight},
          {"salt", model_.uid + "/" + std::to_string(next_.rollout.attempt)},
          {"stableIsFull", weight == 0 || stable_is_full_}};
}

// Towards `weight` percent for `rs`. True when every stable pod does so.
bool Planner::Steer(const api::ReplicaSet& rs, std::int64_t weight) {
  api::RevisionStatus& record = Record(rs.meta.name);
  // Written before the first order goes out: whoever ends this must know for how long it may go on.
  if (!record.split_until || *record.split_until < seen_.now + kSplitLasts / 2)
    record.split_until = seen_.now + kSplitLasts;
  AgainAt(*record.split_until - kSplitLasts / 2);

  const auto fronts = Fronts();
  json body = SplitBody(weight);
  const api::Canary& rules = Rules();
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

  // Nobody is sent to a pod that would not let him in: more weight waits for the last of them.
  bool open = true;
  json peers = json::array();
  json open_peers = json::array();
  const json callee = CalleeBody();
  const auto willing = Peers(rs);
  for (const api::Pod* pod : Callees(rs)) {
    const bool told = Tell(*pod, callee, record.split_until);
    if (!std::ranges::contains(willing, pod)) continue;
    open = told && open;
    peers.push_back({{"podUID", pod->meta.uid},
                     {"ip", pod->ip},
                     {"revision", rs.meta.name},
                     {"certificate", fleet_.ReportOf(*pod)->hop_certificate}});
    if (told) open_peers.push_back(peers.back());
  }
  if (!open) {
    peers = std::move(open_peers);
    body["weight"] = std::min(weight, WeightFor(wanted_, std::ssize(peers)));
  }
  if (!peers.empty()) body["peers"] = std::move(peers);

  bool all = !fronts.empty();
  for (const api::Pod* pod : fronts) {
    const api::Report* report = fleet_.ReportOf(*pod);
    const bool less = Answers(report, *pod) && static_cast<double>(weight) < report->split.weight;
    const bool does = (open || less) && Tell(*pod, body, record.split_until) &&
                      report->split.weight_in_force == static_cast<double>(weight);  // and not until lately
    all = does && all;
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

// Whether no pod of `rs` hands over what it gets. Who was stable when a canary was promoted goes on doing so
// until its split expires, and may come back before that. If not, they are told to stop.
bool Planner::KeepsItsRequests(const api::ReplicaSet& rs) {
  bool keeps = true;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    const api::Report* report = fleet_.ReportOf(*pod);
    if (!Answers(report, *pod) || report->split.weight_in_force == 0) continue;
    Tell(*pod, SplitBody(0), std::nullopt);
    keeps = false;
  }
  return keeps;
}

// Whether the stable pods may be handing requests to anybody.
bool Planner::MayBeSplit() {
  bool may = false;
  for (const api::RevisionStatus& record : next_.revisions) may = MayBeSplit(record) || may;
  return may;
}

// Whether that revision may be handed requests, be it that nobody knows where it is.
bool Planner::MayBeSplit(const api::RevisionStatus& record) {
  if (record.name == stable_ || !record.split_until) return false;
  const api::Time end = *record.split_until + seen_.settings.settle;
  if (seen_.now >= end) return false;
  AgainAt(end);
  return true;
}

}  // namespace pilotlight::plan
