#include "sidecar/front/split/tally.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/time/rfc3339.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, kVerdicts> kVerdictNames{"good", "clientError", "error", "hopFailure",
                                                                "cancelled"};
constexpr std::array<std::string_view, kUnsplits> kUnsplitNames{"asked", "tooLarge", "expired", "noPeer",
                                                                "noRoom"};
constexpr std::array<std::string_view, kShadows> kShadowNames{"agreed", "disagreed", "failed", "dropped"};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  return kVerdictNames[static_cast<std::size_t>(verdict)];
}

std::string_view unsplit_name(Unsplit why) {
  return kUnsplitNames[static_cast<std::size_t>(why)];
}

std::string_view shadow_name(Shadow result) {
  return kShadowNames[static_cast<std::size_t>(result)];
}

Verdict verdict_of(unsigned status) {
  if (status >= 500 || status == 422) return Verdict::kError;
  return status >= 400 ? Verdict::kClientError : Verdict::kGood;
}

void Tally::apply(std::uint64_t epoch, const Rules& rules, std::chrono::system_clock::time_point now) {
  if (!segments_.empty() && segments_.back().rules == rules) {
    segments_.back().last_epoch = epoch;
    return;
  }
  if (!segments_.empty()) {
    for (auto& arm : segments_.back().arms) arm.sessions.close();
  }
  if (segments_.size() == kMostSegments) segments_.pop_front();
  segments_.push_back({.epoch = epoch, .last_epoch = epoch, .rules = rules, .applied_at = now, .arms = {}});
}

Tally::Segment* Tally::find(std::uint64_t epoch) {
  const auto found = std::ranges::find(segments_, epoch, &Segment::epoch);
  return found == segments_.end() ? nullptr : &*found;
}

void Tally::count(const Event& event) {
  const auto arm = static_cast<std::size_t>(event.arm);
  const auto verdict = static_cast<std::size_t>(event.verdict);
  ++totals_[arm][verdict];
  auto* segment = find(event.segment);
  if (segment == nullptr) return;
  auto& counts = segment->arms[arm];
  ++counts.verdicts[verdict];
  if (event.verdict == Verdict::kCancelled) return;
  if (!segment->rules.sticky_header.empty()) counts.sessions.saw(event.session, is_bad(event.verdict));
  const auto second = unix_second(event.now);
  counts.pods.answered(event.pod, is_bad(event.verdict), second);
  if (!is_bad(event.verdict)) {
    counts.pods.took(event.pod, event.took, segment->rules.slow_threshold, second);
  }
  if (event.verdict == Verdict::kGood) {
    const auto bucket = std::ranges::lower_bound(kBounds, event.took.count()) - kBounds.begin();
    ++counts.latency[static_cast<std::size_t>(bucket)];
  }
}

std::int64_t Tally::unix_second(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

void Tally::unsplit(std::uint64_t segment, Unsplit why) {
  ++unsplit_[static_cast<std::size_t>(why)];
  if (auto* found = find(segment); found != nullptr) ++found->unsplit[static_cast<std::size_t>(why)];
}

void Tally::mirrored(const Mirrored& event) {
  auto* segment = find(event.segment);
  if (segment != nullptr && !segment->shadows.contains(event.pod) &&
      segment->shadows.size() == kMostShadows) {
    return mirror_dropped(event.segment);
  }
  const bool disagreed = !event.found || !event.found->agreed;
  const auto result = !event.found ? Shadow::kFailed : disagreed ? Shadow::kDisagreed : Shadow::kAgreed;
  ++shadows_[static_cast<std::size_t>(result)];
  if (segment == nullptr) return;
  segment->shadows[std::string(event.pod)].add(event.found);
  segment->arms[static_cast<std::size_t>(Arm::kCandidate)].pods.compared(event.pod, disagreed,
                                                                         unix_second(event.now));
}

void Tally::mirror_dropped(std::uint64_t segment) {
  ++shadows_[static_cast<std::size_t>(Shadow::kDropped)];
  if (auto* found = find(segment); found != nullptr) ++found->mirror_dropped;
}

std::uint64_t Tally::total(Arm arm, Verdict verdict) const {
  return totals_[static_cast<std::size_t>(arm)][static_cast<std::size_t>(verdict)];
}

json Tally::latency_bounds() {
  return kBounds;
}

json Tally::arm_json(const ArmCounts& arm, const Rules& rules) {
  const auto of = [&](Verdict verdict) { return arm.verdicts[static_cast<std::size_t>(verdict)]; };
  json document = {{"requests", of(Verdict::kGood) + of(Verdict::kClientError) + of(Verdict::kError) +
                                    of(Verdict::kHopFailure)},
                   {"bad", {{"error", of(Verdict::kError)}, {"hopFailure", of(Verdict::kHopFailure)}}},
                   {"clientErrors", of(Verdict::kClientError)},
                   {"cancelled", of(Verdict::kCancelled)},
                   {"counted", arm.pods.to_json(rules.slow_threshold > Seconds::zero())},
                   {"latency", arm.latency}};
  if (!rules.sticky_header.empty()) {
    document["sessions"] = {
        {"counted", arm.sessions.counted()}, {"bad", arm.sessions.bad()}, {"oneIn", arm.sessions.one_in()}};
  }
  return document;
}

json Tally::segment_json(const Segment& segment, const std::string& stable) {
  json revisions = {{stable, arm_json(segment.arms[0], segment.rules)}};
  if (!segment.rules.candidate.empty()) {
    revisions[segment.rules.candidate] = arm_json(segment.arms[1], segment.rules);
  }
  json unsplit = json::object();
  for (std::size_t i = 0; i < kUnsplits; ++i) {
    if (segment.unsplit[i] > 0) unsplit[kUnsplitNames[i]] = segment.unsplit[i];
  }
  json document = {{"epoch", segment.epoch},
                   {"lastEpoch", segment.last_epoch},
                   {"label", segment.rules.label},
                   {"candidate", segment.rules.candidate},
                   {"weight", segment.rules.hundredths / 100.0},
                   {"appliedAt", FormatTime(segment.applied_at)},
                   {"revisions", std::move(revisions)},
                   {"unsplit", std::move(unsplit)}};
  if (!segment.rules.mirror) return document;
  auto& mirrored = document["mirrored"] = json::object();
  for (const auto& [pod, counts] : segment.shadows) mirrored[pod] = counts.to_json();
  document["mirrorDropped"] = segment.mirror_dropped;
  return document;
}

json Tally::to_json(const std::string& stable) const {
  auto segments = json::array();
  for (const auto& segment : segments_) segments.push_back(segment_json(segment, stable));
  return segments;
}

}  // namespace pilotlight::front
