#include "operator/analysis/sentence.h"

#include <cmath>
#include <format>
#include <numbers>

#include "operator/analysis/weigh.h"

namespace pilotlight::analysis {
namespace {

std::string Percent(double rate) {
  return std::format("{:.3g} %", 100 * rate);
}

std::string Subject(const MetricEvidence& evidence) {
  if (evidence.metric != Metric::kLatency) return Name(evidence.metric);
  return std::format("{} over {:.3g} × the threshold", Name(evidence.metric), evidence.margin);
}

std::string Arm(const char* name, const Events& events) {
  return std::format("{} {} of {}", name, events.bad, events.requests);
}

// "≥ 1e2" or "< 1e2"
std::string Compared(double log, double log_threshold) {
  return std::format("{} {} {}", Power(log), log >= log_threshold ? "≥" : "<", Power(log_threshold));
}

}  // namespace

const char* Name(Metric metric) {
  switch (metric) {
    case Metric::kErrors:
      return "errors";
    case Metric::kLatency:
      return "latency";
    case Metric::kDisagreement:
      return "disagreement";
    case Metric::kProbes:
      return "golden requests";
  }
  return "";
}

std::string Power(double log) {
  const double power = log / std::numbers::ln10;
  double exponent = std::floor(power);
  double mantissa = std::round(10 * std::pow(10, power - exponent)) / 10;
  if (mantissa >= 10) {
    mantissa = 1;
    ++exponent;
  }
  return exponent == 0 ? std::format("{}", mantissa) : std::format("{}e{:.0f}", mantissa, exponent);
}

std::string AbortSentence(const MetricEvidence& evidence) {
  std::string text = Subject(evidence) + ": ";
  const bool several = evidence.segments.size() > 1;
  for (const SegmentEvidence& segment : evidence.segments) {
    text += Arm("candidate", segment.candidate) + ", ";
    if (!evidence.has_limit) text += Arm("stable", segment.stable) + ", ";
    text += std::format("p0 {:.3g}, ", segment.p0);
    if (several) text += "E " + Power(segment.log_e) + "; then ";
  }
  if (several) text.replace(text.size() - 5, 5, "in all ");
  text += "E " + Compared(evidence.log_e, evidence.log_threshold);
  if (evidence.log_e_without_worst) {
    text += ", without pod " + evidence.worst_pod + " E " +
            Compared(*evidence.log_e_without_worst, std::log(kWithoutWorst));
  }
  return text;
}

std::string PromoteSentence(const MetricEvidence& evidence, const Settings& settings) {
  const SegmentEvidence last = evidence.segments.empty() ? SegmentEvidence() : evidence.segments.back();
  std::string text = std::format("{}: {}, at most {} with {} confidence", Subject(evidence),
                                 Arm("candidate", last.candidate), Percent(evidence.upper_bound),
                                 Percent(settings.confidence));
  if (!evidence.has_limit) text += ", " + Arm("stable", last.stable);
  return text + ", allowed " + Percent(evidence.allowed);
}

std::string ShareSentence(const Share& share) {
  return std::format("observed weight {}, wanted {} ± {}", Percent(share.observed), Percent(share.wanted),
                     Percent(share.tolerance));
}

}  // namespace pilotlight::analysis
