#include "operator/plan/counts.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pilotlight::plan {
namespace {

using analysis::Events;
using analysis::Metric;
using Runs = std::vector<std::pair<std::int64_t, std::int64_t>>;

// What one stable pod has counted of a candidate's pod "c1".
api::Report Report(std::int64_t requests, std::int64_t bad, const Runs& at, const std::string& label = "1") {
  api::SplitSegment segment{.label = label, .weight = 50, .stable_side = {}, .candidate_side = {}};
  segment.stable_side.requests = 10;
  segment.candidate_side.requests = requests;
  segment.candidate_side.bad = bad;
  segment.candidate_side.pods.push_back({.pod_uid = "c1", .errors = {requests, bad, at}});
  api::Report report;
  report.split.segments = {segment};
  return report;
}

Counts Of(const std::vector<api::Report>& reports) {
  std::vector<const api::Report*> all;
  for (const api::Report& report : reports) all.push_back(&report);
  return CountsOf(all, "1", 0.5, {{"c1", "digits-abc"}}, false);
}

Events ErrorsOf(const Counts& counts) {
  const auto& pods = counts.segment.streams.at(Metric::kErrors).candidate;
  return pods.size() == 1 && pods[0].pod == "digits-abc" ? pods[0].events : Events{-1, -1};
}

TEST(CountsOf, ASecondThatSeveralHaveSeenGoBadIsOneEvent) {
  EXPECT_EQ(ErrorsOf(Of({Report(20, 2, {{100, 2}}), Report(30, 1, {{101, 1}})})), (Events{49, 2}));
}

TEST(CountsOf, SecondsThatDifferAreEventsEach) {
  EXPECT_EQ(ErrorsOf(Of({Report(20, 2, {{100, 2}}), Report(30, 1, {{102, 1}})})), (Events{50, 3}));
}

TEST(CountsOf, RunsThatOverlapCountTheirUnion) {
  // 100 to 104, 102 to 105 and, in the first, 110: seven seconds, of which three were seen twice.
  EXPECT_EQ(ErrorsOf(Of({Report(50, 6, {{110, 1}, {100, 5}}), Report(50, 4, {{102, 4}})})), (Events{97, 7}));
}

TEST(CountsOf, AnotherSegmentsNumbersAreLeftOut) {
  const Counts counts = Of({Report(20, 2, {{100, 2}}), Report(1000, 900, {{100, 900}}, "2")});
  EXPECT_EQ(ErrorsOf(counts), (Events{20, 2}));
  EXPECT_EQ(counts.candidate, (Events{20, 2}));
  EXPECT_EQ(counts.segment.assigned.stable, 10);
}

TEST(CountsOf, WhereNobodyCountedTheSegmentThereIsNothing) {
  EXPECT_TRUE(Of({Report(20, 2, {{100, 2}}, "2")}).segment.streams.empty());
}

TEST(ProbesOf, NamesThePodsThatMadeSome) {
  api::Report some;
  some.pod_uid = "c1";
  some.probes = 40;
  some.bad_probes = 3;
  const api::Report none;
  const auto stream = ProbesOf({&some, &none}, {{"c1", "digits-abc"}});
  ASSERT_EQ(stream.candidate.size(), 1U);
  EXPECT_EQ(stream.candidate[0].pod, "digits-abc");
  EXPECT_EQ(stream.candidate[0].events, (Events{40, 3}));
}

TEST(SegmentStatus, ComesBackWithoutProbes) {
  Counts counts = Of({Report(20, 2, {{100, 2}})});
  counts.segment.streams[Metric::kProbes].candidate = {{"digits-abc", {40, 3}, {}}};
  const api::SegmentStatus noted = ToStatus(counts.segment);
  const analysis::Segment back = FromStatus(noted);
  EXPECT_EQ(back.streams.at(Metric::kErrors).candidate[0].events, (Events{20, 2}));
  EXPECT_FALSE(back.streams.contains(Metric::kProbes))
      << "they are counted from the pod's beginning, in the next one again";
  counts.segment.streams[Metric::kProbes].candidate = {{"digits-abc", {50, 3}, {}}};
  EXPECT_TRUE(DifferInProbesOnly(noted, ToStatus(counts.segment)));
  counts.segment.assigned.stable += 1;
  EXPECT_FALSE(DifferInProbesOnly(noted, ToStatus(counts.segment)));
}

}  // namespace
}  // namespace pilotlight::plan
