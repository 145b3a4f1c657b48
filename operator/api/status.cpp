#include "operator/api/status.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/time/rfc3339.h"

namespace pilotlight::api {
namespace {

using nlohmann::json;

template <typename E, std::size_t N>
using Names = std::array<std::pair<E, std::string_view>, N>;

constexpr Names<Phase, 15> kPhases = {{{Phase::kNone, ""},
                                       {Phase::kInvalid, "Invalid"},
                                       {Phase::kProving, "Proving"},
                                       {Phase::kCanary, "Canary"},
                                       {Phase::kPromoting, "Promoting"},
                                       {Phase::kSettling, "Settling"},
                                       {Phase::kRetiring, "Retiring"},
                                       {Phase::kReverting, "Reverting"},
                                       {Phase::kPaused, "Paused"},
                                       {Phase::kStopped, "Stopped"},
                                       {Phase::kComplete, "Complete"},
                                       {Phase::kScaling, "Scaling"},
                                       {Phase::kDegraded, "Degraded"},
                                       {Phase::kFailed, "Failed"},
                                       {Phase::kAborted, "Aborted"}}};
constexpr Names<RevisionPhase, 3> kRevisionPhases = {{{RevisionPhase::kUnproven, "Unproven"},
                                                      {RevisionPhase::kProven, "Proven"},
                                                      {RevisionPhase::kFailed, "Failed"}}};
constexpr Names<ConditionStatus, 3> kConditionStatuses = {{{ConditionStatus::kUnknown, "Unknown"},
                                                           {ConditionStatus::kTrue, "True"},
                                                           {ConditionStatus::kFalse, "False"}}};

template <typename E, std::size_t N>
std::string_view NameOf(const Names<E, N>& names, E value) {
  return std::ranges::find(names, value, &std::pair<E, std::string_view>::first)->second;
}

template <typename E, std::size_t N>
E ValueOf(const Names<E, N>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &std::pair<E, std::string_view>::second);
  return found == names.end() ? names.front().first : found->first;
}

// Empty values are left out: an absent field and an empty one are the same to every reader.
void Put(json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}
void Put(json& object, const char* key, std::string_view text) {
  Put(object, key, std::string(text));
}
void Put(json& object, const char* key, std::int64_t number) {
  if (number != 0) object[key] = number;
}
void Put(json& object, const char* key, const std::optional<Time>& time) {
  if (time) object[key] = FormatTime(*time);
}

const json& At(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}
std::string Text(const json& object, const char* key) {
  const json& value = At(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}
std::int64_t Number(const json& object, const char* key) {
  const json& value = At(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}
std::optional<Time> Moment(const json& object, const char* key) {
  const auto time = ParseTime(Text(object, key));
  if (!time) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(*time);
}

json ToJson(const Condition& condition) {
  return {{"type", condition.type},
          {"status", ToString(condition.status)},
          {"reason", condition.reason},
          {"message", condition.message},
          {"observedGeneration", condition.observed_generation},
          {"lastTransitionTime", FormatTime(condition.last_transition)}};
}

json ToJson(const Failure& failure) {
  json out = json::object();
  Put(out, "class", failure.klass);
  Put(out, "reason", failure.reason);
  Put(out, "phase", failure.phase);
  Put(out, "message", failure.message);
  Put(out, "remedy", failure.remedy);
  return out;
}

json ToJson(const Abort& abort) {
  json out = json::object();
  Put(out, "reason", abort.reason);
  Put(out, "message", abort.message);
  return out;
}

json ToJson(const RevisionStatus& revision) {
  json out = {{"name", revision.name}, {"phase", ToString(revision.phase)}};
  Put(out, "digest", revision.digest);
  Put(out, "level", revision.level);
  Put(out, "retry", revision.retry);
  if (revision.failure) out["failure"] = ToJson(*revision.failure);
  if (revision.aborted) out["aborted"] = ToJson(*revision.aborted);
  Put(out, "splitUntil", revision.split_until);
  if (!revision.proof.is_null()) out["proof"] = revision.proof;
  return out;
}

json ToJson(const SegmentStatus& segment) {
  json out = {{"step", segment.step},
              {"weight", segment.weight},
              {"candidateRequests", segment.candidate},
              {"stableRequests", segment.stable},
              {"metrics", json::array()}};
  for (const MetricCounts& counts : segment.metrics) {
    json row = {{"metric", counts.metric}, {"requests", counts.requests}, {"bad", counts.bad}};
    Put(row, "pod", counts.pod);
    Put(row, "muchSlowerRequests", counts.much_slower_requests);
    Put(row, "muchSlower", counts.much_slower);
    out["metrics"].push_back(std::move(row));
  }
  return out;
}

json ToJson(const CanaryStatus& canary) {
  json out = {{"step", canary.step},
              {"steps", canary.steps},
              {"weight", {{"desired", canary.desired}, {"applied", canary.applied}}}};
  Put(out["weight"], "observed", canary.observed);
  Put(out, "replicas", canary.replicas);
  if (canary.promoting) out["promoting"] = true;
  Put(out, "since", canary.since);
  Put(out, "stepSince", canary.step_since);
  Put(out, "progressed", canary.progressed);
  json analysis = json::object();
  if (canary.round != 1) out["round"] = canary.round;
  if (canary.lost_sight) out["lostSight"] = true;
  Put(analysis, "failingSince", canary.failing_since);
  Put(analysis, "verdict", canary.verdict);
  Put(analysis, "reason", canary.reason);
  Put(analysis, "message", canary.message);
  Put(analysis, "latencyThresholdMilliseconds", canary.threshold_ms);
  Put(analysis, "judged", canary.judged);
  for (const SegmentStatus& segment : canary.segments) analysis["segments"].push_back(ToJson(segment));
  if (!analysis.empty()) out["analysis"] = std::move(analysis);
  return out;
}

json ToJson(const RolloutStatus& rollout) {
  json out = json::object();
  Put(out, "phase", ToString(rollout.phase));
  Put(out, "revision", rollout.revision);
  Put(out, "retry", rollout.retry);
  Put(out, "attempt", rollout.attempt);
  Put(out, "reason", rollout.reason);
  Put(out, "message", rollout.message);
  Put(out, "ignored", rollout.ignored);
  Put(out, "since", rollout.since);
  Put(out, "deadline", rollout.deadline);
  Put(out, "bytesFetched", rollout.bytes_fetched);
  Put(out, "updatedReplicas", rollout.updated);
  Put(out, "progressed", rollout.progressed);
  Put(out, "replacedPods", rollout.replaced_pods);
  Put(out, "lastReplaced", rollout.last_replaced);
  if (rollout.canary) out["canary"] = ToJson(*rollout.canary);
  return out;
}

json ToJson(const RecheckFailure& failure) {
  json out = {{"pod", failure.pod}};
  Put(out, "node", failure.node);
  Put(out, "reason", failure.reason);
  Put(out, "message", failure.message);
  Put(out, "since", failure.since);
  return out;
}

RecheckFailure RecheckFailureFromJson(const json& in) {
  return {.pod = Text(in, "pod"),
          .node = Text(in, "node"),
          .reason = Text(in, "reason"),
          .message = Text(in, "message"),
          .since = Moment(in, "since")};
}

SegmentStatus SegmentFromJson(const json& in) {
  SegmentStatus out{.step = Number(in, "step"),
                    .weight = Number(in, "weight"),
                    .candidate = Number(in, "candidateRequests"),
                    .stable = Number(in, "stableRequests")};
  for (const json& item : At(in, "metrics")) {
    out.metrics.push_back({.metric = Text(item, "metric"),
                           .pod = Text(item, "pod"),
                           .requests = Number(item, "requests"),
                           .bad = Number(item, "bad"),
                           .much_slower_requests = Number(item, "muchSlowerRequests"),
                           .much_slower = Number(item, "muchSlower")});
  }
  return out;
}

CanaryStatus CanaryFromJson(const json& in) {
  const json& weight = At(in, "weight");
  const json& analysis = At(in, "analysis");
  CanaryStatus out{.step = Number(in, "step"),
                   .steps = Number(in, "steps"),
                   .replicas = Number(in, "replicas"),
                   .since = Moment(in, "since"),
                   .promoting = At(in, "promoting") == true,
                   .desired = Number(weight, "desired"),
                   .applied = Number(weight, "applied"),
                   .observed = Text(weight, "observed"),
                   .step_since = Moment(in, "stepSince"),
                   .progressed = Moment(in, "progressed"),
                   .threshold_ms = Number(analysis, "latencyThresholdMilliseconds"),
                   .round = std::max<std::int64_t>(Number(in, "round"), 1),
                   .lost_sight = At(in, "lostSight") == true,
                   .failing_since = Moment(analysis, "failingSince"),
                   .verdict = Text(analysis, "verdict"),
                   .reason = Text(analysis, "reason"),
                   .message = Text(analysis, "message"),
                   .judged = Moment(analysis, "judged")};
  for (const json& item : At(analysis, "segments")) out.segments.push_back(SegmentFromJson(item));
  return out;
}

RolloutStatus RolloutFromJson(const json& in) {
  RolloutStatus out{.phase = ValueOf(kPhases, Text(in, "phase")),
                    .revision = Text(in, "revision"),
                    .retry = Text(in, "retry"),
                    .attempt = Number(in, "attempt"),
                    .reason = Text(in, "reason"),
                    .message = Text(in, "message"),
                    .ignored = Text(in, "ignored"),
                    .since = Moment(in, "since"),
                    .deadline = Moment(in, "deadline"),
                    .bytes_fetched = Number(in, "bytesFetched"),
                    .updated = Number(in, "updatedReplicas"),
                    .progressed = Moment(in, "progressed"),
                    .replaced_pods = Number(in, "replacedPods"),
                    .last_replaced = Moment(in, "lastReplaced")};
  if (const json& canary = At(in, "canary"); canary.is_object()) out.canary = CanaryFromJson(canary);
  return out;
}

Condition ConditionFromJson(const json& in) {
  return {.type = Text(in, "type"),
          .status = ValueOf(kConditionStatuses, Text(in, "status")),
          .reason = Text(in, "reason"),
          .message = Text(in, "message"),
          .observed_generation = Number(in, "observedGeneration"),
          .last_transition = Moment(in, "lastTransitionTime").value_or(Time())};
}

RevisionStatus RevisionFromJson(const json& in) {
  RevisionStatus out{.name = Text(in, "name"),
                     .phase = ValueOf(kRevisionPhases, Text(in, "phase")),
                     .digest = Text(in, "digest"),
                     .level = Text(in, "level"),
                     .retry = Text(in, "retry")};
  if (const json& failure = At(in, "failure"); failure.is_object()) {
    out.failure = Failure{.klass = Text(failure, "class"),
                          .reason = Text(failure, "reason"),
                          .phase = Text(failure, "phase"),
                          .message = Text(failure, "message"),
                          .remedy = Text(failure, "remedy")};
  }
  if (const json& aborted = At(in, "aborted"); aborted.is_object()) {
    out.aborted = Abort{.reason = Text(aborted, "reason"), .message = Text(aborted, "message")};
  }
  out.split_until = Moment(in, "splitUntil");
  if (const json& proof = At(in, "proof"); proof.is_object()) out.proof = proof;
  return out;
}

}  // namespace

bool IsOver(Phase phase) {
  return phase == Phase::kInvalid || phase == Phase::kFailed || phase == Phase::kAborted;
}

std::string_view ToString(Phase phase) {
  return NameOf(kPhases, phase);
}
std::string_view ToString(RevisionPhase phase) {
  return NameOf(kRevisionPhases, phase);
}
std::string_view ToString(ConditionStatus status) {
  return NameOf(kConditionStatuses, status);
}

const Condition* Status::Find(std::string_view type) const {
  const auto found = std::ranges::find(conditions, type, &Condition::type);
  return found == conditions.end() ? nullptr : &*found;
}

const RevisionStatus* Status::FindRevision(std::string_view name) const {
  const auto found = std::ranges::find(revisions, name, &RevisionStatus::name);
  return found == revisions.end() ? nullptr : &*found;
}

json ToJson(const Status& status) {
  json out = {{"observedGeneration", status.observed_generation},
              {"conditions", json::array()},
              {"replicas", status.replicas},
              {"readyReplicas", status.ready_replicas}};
  for (const Condition& condition : status.conditions) out["conditions"].push_back(ToJson(condition));
  Put(out, "stableRevision", status.stable_revision);
  Put(out, "candidateRevision", status.candidate_revision);
  if (json rollout = ToJson(status.rollout); !rollout.empty()) out["rollout"] = std::move(rollout);
  Put(out, "selector", status.selector);
  Put(out, "url", status.url);
  Put(out, "level", status.level);
  for (const RevisionStatus& revision : status.revisions) out["revisions"].push_back(ToJson(revision));
  for (const RecheckFailure& failure : status.recheck_failures)
    out["recheckFailures"].push_back(ToJson(failure));
  return out;
}

Status StatusFromJson(const json& in) {
  Status out{.observed_generation = Number(in, "observedGeneration"),
             .stable_revision = Text(in, "stableRevision"),
             .candidate_revision = Text(in, "candidateRevision"),
             .rollout = RolloutFromJson(At(in, "rollout")),
             .replicas = Number(in, "replicas"),
             .ready_replicas = Number(in, "readyReplicas"),
             .selector = Text(in, "selector"),
             .url = Text(in, "url"),
             .level = Text(in, "level")};
  for (const json& item : At(in, "conditions")) out.conditions.push_back(ConditionFromJson(item));
  for (const json& item : At(in, "revisions")) out.revisions.push_back(RevisionFromJson(item));
  for (const json& item : At(in, "recheckFailures"))
    out.recheck_failures.push_back(RecheckFailureFromJson(item));
  return out;
}

}  // namespace pilotlight::api
