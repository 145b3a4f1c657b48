#include "operator/analysis/weigh.h"

#include <algorithm>
#include <cmath>
#include <ranges>
#include <set>
#include <string>

#include "operator/analysis/bound.h"
#include "operator/analysis/null.h"
#include "operator/analysis/threshold.h"

namespace pilotlight::analysis {
namespace {

// A metric's streams: those that could be read.
struct Part {
  const Segment* segment = nullptr;
  const Stream* stream = nullptr;
};

std::vector<Part> PartsOf(Metric metric, const std::vector<Segment>& segments) {
  std::vector<Part> parts;
  for (const Segment& segment : segments) {
    const auto found = segment.streams.find(metric);
    if (found != segment.streams.end()) parts.push_back({&segment, &found->second});
  }
  return parts;
}

// The candidate's pods that were counted, in any segment.
std::set<std::string> CountedPods(const std::vector<Part>& parts) {
  std::set<std::string> pods;
  for (const Part& part : parts) {
    for (const PodEvents& pod : part.stream->candidate) {
      if (pod.events.requests > 0) pods.insert(pod.pod);
    }
  }
  return pods;
}

class Weighing {
 public:
  Weighing(const Settings& settings, const Criterion& criterion, bool much_slower)
      : settings_(settings), limit_(criterion.limit), much_slower_(much_slower) {
    const bool alone = criterion.metric == Metric::kDisagreement || criterion.metric == Metric::kProbes;
    if (alone && !limit_) limit_ = settings.floor;
  }

  const std::optional<double>& Limit() const { return limit_; }

  // `without`: a pod of the candidate that is left out.
  SegmentEvidence Of(const Part& part, const std::string& without = "") const {
    SegmentEvidence evidence{.stable = limit_ ? Events() : part.stream->stable};
    for (const PodEvents& pod : part.stream->candidate) {
      if (pod.pod != without) evidence.candidate += much_slower_ ? pod.much_slower : pod.events;
    }
    const Null null = limit_
                          ? NullOf(*limit_)
                          : NullOf(evidence.candidate, evidence.stable,
                                   Correction(part.segment->weight, part.segment->assigned), settings_.rho);
    const std::int64_t bad = evidence.candidate.bad;
    evidence.p0 = static_cast<double>(null.P0());
    evidence.log_e = LogE(bad, limit_ ? evidence.candidate.requests : bad + evidence.stable.bad, null);
    return evidence;
  }

 private:
  const Settings& settings_;
  std::optional<double> limit_;
  bool much_slower_;
};

// Stable's bad rate: in the last segment, in which it may have no requests left, or else in the one before.
double StableRate(const std::vector<SegmentEvidence>& segments) {
  for (const SegmentEvidence& segment : std::views::reverse(segments)) {
    if (segment.stable.requests > 0) return segment.stable.Rate();
  }
  return 0;
}

}  // namespace

MetricEvidence Weigh(const Settings& settings, const Criterion& criterion,
                     const std::vector<Segment>& segments) {
  const std::vector<Part> parts = PartsOf(criterion.metric, segments);
  const std::set<std::string> pods = CountedPods(parts);
  const bool latency = criterion.metric == Metric::kLatency;
  const bool much_slower = latency && pods.size() < 2;
  const Weighing weighing(settings, criterion, much_slower);

  MetricEvidence evidence{
      .metric = criterion.metric,
      .has_limit = weighing.Limit().has_value(),
      .log_threshold = std::log(static_cast<double>(settings.metrics.size()) / settings.alpha),
      .pods = static_cast<std::int64_t>(pods.size())};
  if (latency) evidence.margin = much_slower ? kMuchSlower : kSlower;
  for (const Part& part : parts) {
    evidence.segments.push_back(weighing.Of(part));
    evidence.log_e += evidence.segments.back().log_e;
  }

  if (pods.size() >= 2 && evidence.log_e >= evidence.log_threshold) {
    for (const std::string& pod : pods) {
      double rest = 0;
      for (const Part& part : parts) rest += weighing.Of(part, pod).log_e;
      if (evidence.log_e_without_worst && *evidence.log_e_without_worst <= rest) continue;
      evidence.worst_pod = pod;
      evidence.log_e_without_worst = rest;
    }
  }

  if (!evidence.segments.empty())
    evidence.upper_bound = UpperBound(evidence.segments.back().candidate, settings.confidence);
  evidence.allowed =
      weighing.Limit().value_or(std::max(settings.rho * StableRate(evidence.segments), settings.floor));
  return evidence;
}

bool IsWorse(const MetricEvidence& evidence, const Settings& settings) {
  if (evidence.segments.empty() || evidence.log_e < evidence.log_threshold) return false;
  if (evidence.has_limit) return true;
  Events all;
  for (const SegmentEvidence& segment : evidence.segments) all += segment.candidate;
  return std::max(all.Rate(), evidence.segments.back().candidate.Rate()) > settings.floor;
}

bool IsTheRevision(const MetricEvidence& evidence) {
  return !evidence.log_e_without_worst || *evidence.log_e_without_worst >= std::log(kWithoutWorst);
}

bool IsNonInferior(const MetricEvidence& evidence) {
  return evidence.upper_bound <= evidence.allowed;
}

}  // namespace pilotlight::analysis
