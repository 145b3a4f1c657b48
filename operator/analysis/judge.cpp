#include "operator/analysis/judge.h"

#include <algorithm>
#include <format>
#include <utility>

#include "operator/analysis/sentence.h"
#include "operator/analysis/threshold.h"
#include "operator/analysis/weigh.h"

namespace pilotlight::analysis {
namespace {

// The first requests of a candidate: if nearly all of them are errors, no test is needed.
constexpr std::int64_t kFirstRequests = 20;
constexpr std::int64_t kNearlyAllPercent = 90;

const char* ReasonToAbort(Metric metric) {
  switch (metric) {
    case Metric::kErrors:
      return "MoreErrors";
    case Metric::kLatency:
      return "Slower";
    case Metric::kDisagreement:
      return "AnswersDiffer";
    case Metric::kProbes:
      return "GoldenRequestsFailed";
  }
  return "";
}

class Judgement {
 public:
  Judgement(const Settings& settings, const Observed& observed) : settings_(settings), observed_(observed) {}

  Verdict Decide() {
    Weights();
    if (Gates() || Unavailable() || Worse() || NoData() || TooEarly() || TooFew() || Unverified() ||
        Uncertain())
      return std::move(verdict_);
    Say(Outcome::kPass, "NonInferior", "");
    const bool by_probes = ProbesStandIn();
    for (const MetricEvidence& evidence : verdict_.metrics) {
      if (IsTraffic(evidence) == by_probes) continue;
      verdict_.message += (verdict_.message.empty() ? "" : "; ") + PromoteSentence(evidence, settings_);
    }
    return std::move(verdict_);
  }

 private:
  bool Say(Outcome outcome, std::string reason, std::string message) {
    verdict_.outcome = outcome;
    verdict_.reason = std::move(reason);
    verdict_.message = std::move(message);
    return true;
  }
  bool Wait(std::string reason, std::string message) {
    return Say(Outcome::kInconclusive, std::move(reason), std::move(message));
  }

  void Weights() {
    for (const Criterion& criterion : settings_.metrics)
      verdict_.metrics.push_back(Weigh(settings_, criterion, observed_.segments));
    if (observed_.segments.empty()) return;
    verdict_.share = ObservedShare(observed_.segments.back().weight, observed_.segments.back().assigned);
  }

  bool Gates() {
    if (observed_.out_of_memory > 0) {
      return Say(Outcome::kFail, "OutOfMemory",
                 std::format("containers of the candidate ran out of memory {} times; raise "
                             "template.resources.limits.memory",
                             observed_.out_of_memory));
    }
    if (observed_.restarts > 0) {
      return Say(
          Outcome::kFail, "ContainersRestarted",
          std::format("containers of the candidate ended {} times while it got traffic; see kubectl logs "
                      "--previous of its pods",
                      observed_.restarts));
    }
    const auto& [requests, bad] = observed_.candidate;
    if (requests < kFirstRequests || 100 * bad < kNearlyAllPercent * requests) return false;
    return Say(Outcome::kFail, "FirstRequestsFailed",
               std::format("{} of the candidate's first {} requests were errors ({} % are enough)", bad,
                           requests, kNearlyAllPercent));
  }

  // With counters of some pods only, a comparison of the two sides would be of different times.
  bool Unavailable() {
    return !observed_.unavailable.empty() && Wait("MetricsUnavailable", observed_.unavailable);
  }

  bool Worse() {
    const MetricEvidence* one_pod = nullptr;
    for (const MetricEvidence& evidence : verdict_.metrics) {
      if (!IsWorse(evidence, settings_)) continue;
      if (IsTheRevision(evidence))
        return Say(Outcome::kFail, ReasonToAbort(evidence.metric), AbortSentence(evidence));
      one_pod = &evidence;
    }
    return one_pod != nullptr &&
           Wait("OnePodIsWorse", AbortSentence(*one_pod) + ": look at pod " + one_pod->worst_pod);
  }

  bool NoData() {
    if (observed_.segments.empty()) return Wait("NoData", "nothing was counted yet");
    if (std::ranges::none_of(verdict_.metrics, IsTraffic))
      return Wait("NoData", "no metric of requests was asked for: golden requests alone do not promote");
    for (const Criterion& criterion : settings_.metrics) {
      if (criterion.metric == Metric::kProbes || observed_.segments.back().streams.contains(criterion.metric))
        continue;
      // Where hardly anybody asks, there is no threshold of latency yet either.
      if (observed_.segments.back().assigned.candidate < settings_.min_requests && ProbesStandIn()) {
        if (!observed_.last_without_threshold) continue;
        return Wait(
            "NoLatencyThreshold",
            std::format(
                "{} requests to the stable pods will tell what is slow, and the next step leaves them "
                "none; so would latencyThresholdMilliseconds",
                kLeastForThreshold));
      }
      return Wait("NoData", std::format("no counters of {} were read in this step", Name(criterion.metric)));
    }
    return false;
  }

  bool TooEarly() {
    if (observed_.elapsed >= settings_.min_duration) return false;
    return Wait("MinimumDuration", std::format("the step is {} s old and takes at least {} s",
                                               observed_.elapsed.count(), settings_.min_duration.count()));
  }

  bool TooFew() {
    for (const MetricEvidence& evidence : verdict_.metrics) {
      if (!IsThin(evidence) || ProbesStandIn()) continue;
      return Wait("TooFewRequests",
                  std::format("{}: {} of the {} requests that the candidate must have answered",
                              Name(evidence.metric), Requests(evidence), settings_.min_requests));
    }
    return false;
  }

  bool Unverified() {
    const Assigned& assigned = observed_.segments.back().assigned;
    if (verdict_.share.verified || (assigned.candidate + assigned.stable == 0 && ProbesStandIn()))
      return false;
    return Wait("WeightNotVerified", ShareSentence(verdict_.share));
  }

  bool Uncertain() {
    for (const MetricEvidence& evidence : verdict_.metrics) {
      if (!IsTraffic(evidence) || IsThin(evidence) || IsNonInferior(evidence)) continue;
      return Wait("NotYetCertain", PromoteSentence(evidence, settings_));
    }
    return false;
  }

  static bool IsTraffic(const MetricEvidence& evidence) { return evidence.metric != Metric::kProbes; }
  static std::int64_t Requests(const MetricEvidence& evidence) {
    return evidence.segments.empty() ? 0 : evidence.segments.back().candidate.requests;
  }
  bool IsThin(const MetricEvidence& evidence) const {
    return IsTraffic(evidence) && Requests(evidence) < settings_.min_requests;
  }

  // Golden requests take the place of users' in the first step, where there are too few of those.
  bool ProbesStandIn() const {
    return observed_.first_step &&
           std::ranges::any_of(verdict_.metrics, [this](const auto& evidence) { return IsThin(evidence); }) &&
           std::ranges::any_of(verdict_.metrics, [this](const auto& evidence) {
             return evidence.metric == Metric::kProbes && Requests(evidence) >= settings_.min_requests &&
                    IsNonInferior(evidence);
           });
  }

  const Settings& settings_;
  const Observed& observed_;
  Verdict verdict_;
};

}  // namespace

Verdict Judge(const Settings& settings, const Observed& observed) {
  return Judgement(settings, observed).Decide();
}

}  // namespace pilotlight::analysis
