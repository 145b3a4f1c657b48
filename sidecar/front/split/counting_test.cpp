// Whom a request falls to, and what is counted of it.

#include <gmock/gmock.h>

#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "sidecar/front/split/choice.h"
#include "sidecar/front/split/counted_events.h"
#include "sidecar/front/split/counted_pods.h"
#include "sidecar/front/split/sessions.h"
#include "sidecar/front/split/tally.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using std::chrono::system_clock;

// The dice.

TEST(Choice, IsTheSameInEveryBuild) {
  // Of hashlib.sha256(b"<salt>\0<key>").
  EXPECT_EQ(draw("attempt-1", "session-1").number, 11887993750205478175U);
  EXPECT_EQ(draw("attempt-1", "session-1").session, 14848185682777757857U);
  EXPECT_EQ(draw("attempt-1", "session-1").mirror, 2112302991037846353U);
  EXPECT_EQ(draw("attempt-1", "session-2").number, 10925042689697269717U);
  EXPECT_EQ(draw("", "").number, 7940984811893783192U);
  EXPECT_EQ(draw("a", "b").session, 2108127282520699247U);
}

TEST(Choice, GivesTheShareThatTheWeightSays) {
  constexpr int kRequests = 100'000;
  for (const unsigned hundredths : {1U, 100U, 500U, 2500U, 5000U, 9900U}) {
    int candidate = 0;
    for (int i = 0; i < kRequests; ++i) {
      candidate += falls_to_candidate(draw("salt", std::to_string(i)), hundredths) ? 1 : 0;
    }
    const double share = hundredths / 10'000.0;
    const double sigma = std::sqrt(kRequests * share * (1 - share));
    EXPECT_NEAR(candidate, kRequests * share, 3 * sigma) << hundredths;
  }
}

TEST(Choice, NeverTakesAKeyBackWhileTheWeightGrows) {
  for (int i = 0; i < 500; ++i) {
    const auto drawn = draw("salt", std::to_string(i));
    bool before = falls_to_candidate(drawn, 0);
    EXPECT_FALSE(before);
    for (unsigned hundredths = 1; hundredths <= 10'000; hundredths += 33) {
      const bool now = falls_to_candidate(drawn, hundredths);
      EXPECT_TRUE(now || !before);
      before = now;
    }
    EXPECT_TRUE(falls_to_candidate(drawn, 10'000));
  }
}

TEST(Choice, AnotherSaltIsAnotherThrow) {
  int both = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto key = std::to_string(i);
    both += falls_to_candidate(draw("a", key), 5000) && falls_to_candidate(draw("b", key), 5000) ? 1 : 0;
  }
  EXPECT_NEAR(both, 2500, 3 * std::sqrt(10'000 * 0.25 * 0.75));
  EXPECT_NE(draw("ab", "c").number, draw("a", "bc").number);
}

TEST(Choice, WhatIsMirroredDoesNotDependOnTheSide) {
  constexpr int kRequests = 10'000;
  int mirrored = 0;
  int both = 0;
  for (int i = 0; i < kRequests; ++i) {
    const auto drawn = draw("salt", std::to_string(i));
    EXPECT_FALSE(falls_to_mirror(drawn, 0));
    if (!falls_to_mirror(drawn, 2000)) continue;
    ++mirrored;
    both += falls_to_candidate(drawn, 2000) ? 1 : 0;
  }
  EXPECT_NEAR(mirrored, kRequests * 0.2, 3 * std::sqrt(kRequests * 0.2 * 0.8));
  EXPECT_NEAR(both, kRequests * 0.04, 3 * std::sqrt(kRequests * 0.04 * 0.96));
}

// Sessions.

TEST(Sessions, AreCountedOnceEach) {
  Sessions sessions;
  for (std::uint64_t i = 0; i < 300; ++i) sessions.saw(i % 100, i == 7 || i == 107 || i == 50);
  EXPECT_EQ(sessions.counted(), 100);
  EXPECT_EQ(sessions.bad(), 2) << "7 twice, 50 once";
  EXPECT_EQ(sessions.one_in(), 1);
}

TEST(Sessions, OfManyAFairSampleIsKept) {
  Sessions sessions;
  std::mt19937_64 random(1);
  constexpr int kAll = 100'000;
  for (int i = 0; i < kAll; ++i) sessions.saw(random(), i % 10 == 0);
  EXPECT_LE(sessions.counted(), Sessions::kMost);
  const double counted = static_cast<double>(sessions.counted());
  const double sigma = std::sqrt(kAll * (1.0 / sessions.one_in()));
  EXPECT_NEAR(counted, kAll / static_cast<double>(sessions.one_in()), 3 * sigma);
  EXPECT_NEAR(static_cast<double>(sessions.bad()), counted / 10, 3 * std::sqrt(counted * 0.09));
}

TEST(Sessions, ClosedOnesKeepTheirNumbers) {
  Sessions sessions;
  sessions.saw(1, true);
  sessions.close();
  sessions.saw(2, true);
  sessions.saw(1, false);
  EXPECT_EQ(sessions.counted(), 1);
  EXPECT_EQ(sessions.bad(), 1);
}

// Counted events.

class CountedEventsTest : public ::testing::Test {
 protected:
  void good(std::int64_t second) { events_.count(false, second, kRuns); }
  void bad(std::int64_t second) { events_.count(true, second, kRuns); }
  json counted() const { return events_.to_json(kRuns); }

  static constexpr std::size_t kRuns = 32;
  CountedEvents events_;
};

TEST_F(CountedEventsTest, ASecondIsOverWithItsFirstBadEvent) {
  good(1000);
  good(1000);
  bad(1000);
  for (int i = 0; i < 50; ++i) bad(1000);
  for (int i = 0; i < 50; ++i) good(1000);
  EXPECT_EQ(counted(), json::parse(R"({"requests":3,"bad":1,"at":[[1000,1]]})"));
  good(1001);
  EXPECT_EQ(counted(), json::parse(R"({"requests":4,"bad":1,"at":[[1000,1]]})"));
}

TEST_F(CountedEventsTest, BadSecondsInARowAreOneRun) {
  for (const int second : {1000, 1001, 1002, 1005}) bad(second);
  EXPECT_EQ(counted(), json::parse(R"({"requests":4,"bad":4,"at":[[1000,3],[1005,1]]})"));
  good(1002);
  EXPECT_EQ(counted()["requests"], 4) << "it is over";
}

TEST_F(CountedEventsTest, AClockThatGoesBackALittleCountsNothingTwice) {
  bad(1000);
  bad(999);
  good(999);
  bad(1000);
  EXPECT_EQ(counted(), json::parse(R"({"requests":1,"bad":1,"at":[[1000,1]]})"));
  bad(940);
  EXPECT_EQ(counted()["bad"], 2) << "it was set";
}

TEST_F(CountedEventsTest, OfTheRunsTheLastAreKept) {
  for (int second = 0; second < 200; second += 2) bad(1000 + second);
  EXPECT_EQ(counted()["bad"], 100);
  EXPECT_EQ(counted()["at"].size(), kRuns);
  EXPECT_EQ(counted()["at"].back(), json({1198, 1}));
  EXPECT_EQ(events_.to_json(2)["at"], (json{{1196, 1}, {1198, 1}}));
  events_.count(true, 1300, 2);
  EXPECT_EQ(counted()["at"], (json{{1198, 1}, {1300, 1}}));
}

// Counted pods.

TEST(CountedPods, EachPodAndEachCounterHasSecondsOfItsOwn) {
  CountedPods pods;
  const CountedPods::Seconds threshold(0.1);
  pods.answered("p", true, 1000);
  pods.took("p", CountedPods::Seconds(0.13), threshold, 1000);
  pods.took("p", CountedPods::Seconds(0.01), threshold, 1000);
  pods.answered("q", false, 1000);
  const auto counted = pods.to_json(true);
  EXPECT_EQ(counted["p"], json::parse(R"({"errors":{"requests":1,"bad":1,"at":[[1000,1]]},"slow":[
      {"requests":1,"bad":1,"at":[[1000,1]]},
      {"requests":1,"bad":1,"at":[[1000,1]]},
      {"requests":2,"bad":0,"at":[]}]})"));
  EXPECT_EQ(counted["q"]["errors"], json::parse(R"({"requests":1,"bad":0,"at":[]})"));
}

TEST(CountedPods, SlowIsWhatTakesLongerAndNotWhatTakesAsLong) {
  CountedPods pods;
  std::int64_t second = 1000;
  for (const double took : {0.125, 0.126, 0.15625, 0.157, 0.1875, 0.188}) {
    pods.took("p", CountedPods::Seconds(took), CountedPods::Seconds(0.125), ++second);
  }
  const auto slow = pods.to_json(true)["p"]["slow"];
  EXPECT_EQ(slow[0]["bad"], 5);
  EXPECT_EQ(slow[1]["bad"], 3);
  EXPECT_EQ(slow[2]["bad"], 1);
  for (const auto& each : slow) EXPECT_EQ(each["requests"], 6);
}

TEST(CountedPods, WithoutAThresholdNothingIsSlow) {
  CountedPods pods;
  pods.took("p", CountedPods::Seconds(5), CountedPods::Seconds(0), 1000);
  EXPECT_TRUE(pods.to_json(true).empty());
}

TEST(CountedPods, AreBounded) {
  CountedPods pods;
  const auto all_bad = [&](const std::string& name) {
    for (int second = 0; second < 200; second += 2) pods.answered(name, true, 1000 + second);
  };
  for (int pod = 0; pod < 8; ++pod) all_bad(std::to_string(pod));
  EXPECT_EQ(pods.to_json(false)["0"]["errors"]["at"].size(), CountedPods::kMostRuns);
  for (int pod = 8; pod < 500; ++pod) all_bad(std::to_string(pod));
  const auto document = pods.to_json(false);
  EXPECT_EQ(document.size(), CountedPods::kMostPods);
  EXPECT_EQ(document["0"]["errors"]["bad"], 100);
  EXPECT_EQ(document["0"]["errors"]["at"], (json{{1196, 1}, {1198, 1}})) << "the more pods, the fewer runs";
  EXPECT_FALSE(document["0"].contains("slow"));
}

// The tally.

class TallyTest : public ::testing::Test {
 protected:
  void count(Arm arm, Verdict verdict, const char* pod = "own", std::uint64_t session = 1,
             double took = 0.003, std::int64_t second = 1000) {
    tally_.count({.segment = tally_.segment(),
                  .arm = arm,
                  .verdict = verdict,
                  .pod = pod,
                  .session = session,
                  .took = std::chrono::duration<double>(took),
                  .now = system_clock::time_point(seconds(second))});
  }
  json last() const { return tally_.to_json("r1").back(); }

  Tally tally_;
  Tally::Rules rules_{
      .hundredths = 500, .salt = "s", .sticky_header = "", .candidate = "r2", .label = "step-1"};
  system_clock::time_point now_{seconds(1'795'651'200)};
};

TEST_F(TallyTest, BothArmsAreCountedInTheSameWay) {
  tally_.apply(3, rules_, now_);
  for (int i = 0; i < 5; ++i) count(Arm::kStable, Verdict::kGood);
  count(Arm::kStable, Verdict::kError);
  count(Arm::kStable, Verdict::kClientError);
  count(Arm::kCandidate, Verdict::kGood, "p1");
  count(Arm::kCandidate, Verdict::kError, "p1");
  count(Arm::kCandidate, Verdict::kHopFailure, "p1");
  count(Arm::kCandidate, Verdict::kHopFailure, "p2");
  count(Arm::kCandidate, Verdict::kCancelled, "p2");
  const auto segment = last();
  EXPECT_EQ(segment["epoch"], 3);
  EXPECT_EQ(segment["label"], "step-1");
  EXPECT_EQ(segment["candidate"], "r2");
  EXPECT_EQ(segment["weight"], 5.0);
  EXPECT_EQ(segment["appliedAt"], "2026-11-26T00:00:00Z");
  const auto& stable = segment["revisions"]["r1"];
  EXPECT_EQ(stable["requests"], 7);
  EXPECT_EQ(stable["bad"], (json{{"error", 1}, {"hopFailure", 0}}));
  EXPECT_EQ(stable["clientErrors"], 1);
  EXPECT_EQ(stable["counted"], json::parse(R"({"own":{"errors":{"requests":6,"bad":1,"at":[[1000,1]]}}})"))
      << "the client's error came when the second was over";
  const auto& candidate = segment["revisions"]["r2"];
  EXPECT_EQ(candidate["requests"], 4);
  EXPECT_EQ(candidate["bad"], (json{{"error", 1}, {"hopFailure", 2}}));
  EXPECT_EQ(candidate["counted"], json::parse(R"({"p1":{"errors":{"requests":2,"bad":1,"at":[[1000,1]]}},
                                                  "p2":{"errors":{"requests":1,"bad":1,"at":[[1000,1]]}}})"))
      << "two pods in one second, and what was cancelled is no event";
  EXPECT_EQ(candidate["cancelled"], 1);
  EXPECT_FALSE(candidate.contains("sessions"));
  EXPECT_EQ(tally_.total(Arm::kCandidate, Verdict::kHopFailure), 2);
}

TEST_F(TallyTest, SlowIsCountedOfWhatIsNotBadAndWithAThresholdOnly) {
  tally_.apply(1, rules_, now_);
  count(Arm::kCandidate, Verdict::kGood, "p", 1, 5);
  EXPECT_FALSE(last()["revisions"]["r2"]["counted"]["p"].contains("slow"));
  rules_.slow_threshold = Tally::Seconds(0.1);
  tally_.apply(2, rules_, now_);
  std::int64_t second = 1000;
  count(Arm::kCandidate, Verdict::kGood, "p", 1, 0.11, ++second);
  count(Arm::kCandidate, Verdict::kGood, "p", 1, 0.05, ++second);
  count(Arm::kCandidate, Verdict::kClientError, "p", 1, 0.2, ++second);
  for (const auto verdict : {Verdict::kError, Verdict::kHopFailure, Verdict::kCancelled}) {
    count(Arm::kCandidate, verdict, "p", 1, 0.2, ++second);
  }
  const auto counted = last()["revisions"]["r2"]["counted"]["p"];
  EXPECT_EQ(counted["errors"]["requests"], 5);
  EXPECT_EQ(counted["slow"], json::parse(R"([{"requests":3,"bad":2,"at":[[1001,1],[1003,1]]},
                                             {"requests":3,"bad":1,"at":[[1003,1]]},
                                             {"requests":3,"bad":1,"at":[[1003,1]]}])"));
}

TEST_F(TallyTest, OfStickySplitsSessionsAreCounted) {
  rules_.sticky_header = "x-session";
  tally_.apply(1, rules_, now_);
  for (std::uint64_t session = 0; session < 10; ++session) {
    for (int i = 0; i < 3; ++i) {
      count(Arm::kCandidate, session == 4 && i == 1 ? Verdict::kError : Verdict::kGood, "p", session);
    }
  }
  EXPECT_EQ(last()["revisions"]["r2"]["sessions"], (json{{"counted", 10}, {"bad", 1}, {"oneIn", 1}}));
  EXPECT_EQ(last()["revisions"]["r2"]["requests"], 30);
}

TEST_F(TallyTest, LatencyIsThatOfGoodAnswers) {
  tally_.apply(1, rules_, now_);
  count(Arm::kStable, Verdict::kGood, "own", 1, 0.0005);
  count(Arm::kStable, Verdict::kGood, "own", 1, 0.0006);
  count(Arm::kStable, Verdict::kGood, "own", 1, 100);
  count(Arm::kStable, Verdict::kError, "own", 1, 0.0006);
  const auto latency = last()["revisions"]["r1"]["latency"];
  EXPECT_EQ(latency.size(), Tally::latency_bounds().size() + 1);
  EXPECT_EQ(latency[0], 1);
  EXPECT_EQ(latency[1], 1);
  EXPECT_EQ(latency.back(), 1);
}

TEST_F(TallyTest, ARenewedSplitGoesOnAndAnotherBeginsAnew) {
  tally_.apply(1, rules_, now_);
  count(Arm::kStable, Verdict::kGood);
  tally_.apply(2, rules_, now_);
  count(Arm::kStable, Verdict::kGood);
  EXPECT_EQ(last()["epoch"], 1);
  EXPECT_EQ(last()["lastEpoch"], 2);
  EXPECT_EQ(last()["revisions"]["r1"]["requests"], 2);
  rules_.hundredths = 2500;
  tally_.apply(3, rules_, now_);
  EXPECT_EQ(last()["epoch"], 3);
  EXPECT_EQ(last()["revisions"]["r1"]["requests"], 0);
  for (const auto& change : std::vector<std::function<void()>>{
           [&] { rules_.salt = "t"; }, [&] { rules_.candidate = "r3"; }, [&] { rules_.sticky_header = "h"; },
           [&] { rules_.label = "step-2"; }, [&] { rules_.slow_threshold = Tally::Seconds(1); }}) {
    const auto before = tally_.segment();
    change();
    tally_.apply(before + 1, rules_, now_);
    EXPECT_EQ(tally_.segment(), before + 1);
  }
  EXPECT_EQ(tally_.to_json("r1").size(), Tally::kMostSegments) << "the oldest is let go";
}

TEST_F(TallyTest, WhatBeganBeforeCountsWhereItBegan) {
  tally_.apply(1, rules_, now_);
  const auto began = tally_.segment();
  const auto error_of = [&](std::uint64_t segment) {
    tally_.count({.segment = segment,
                  .arm = Arm::kCandidate,
                  .verdict = Verdict::kError,
                  .pod = "p",
                  .session = 1,
                  .took = {},
                  .now = now_});
  };
  rules_.hundredths = 0;
  tally_.apply(2, rules_, now_);
  error_of(began);
  EXPECT_EQ(tally_.to_json("r1")[0]["revisions"]["r2"]["bad"]["error"], 1);
  EXPECT_EQ(last()["revisions"]["r2"]["bad"]["error"], 0);
  error_of(99);
  EXPECT_EQ(tally_.total(Arm::kCandidate, Verdict::kError), 2);
}

TEST_F(TallyTest, WhatIsNotSplitIsToldApart) {
  tally_.apply(1, rules_, now_);
  tally_.unsplit(1, Unsplit::kTooLarge);
  tally_.unsplit(1, Unsplit::kTooLarge);
  tally_.unsplit(1, Unsplit::kNoPeer);
  EXPECT_EQ(last()["unsplit"], (json{{"tooLarge", 2}, {"noPeer", 1}}));
  EXPECT_EQ(last()["revisions"]["r1"]["requests"], 0);
}

TEST_F(TallyTest, WhatIsMirroredIsOfTheCandidatesPodsAndOfNeitherSidesRequests) {
  rules_.mirror = Tolerance();
  tally_.apply(1, rules_, now_);
  const auto mirrored = [&](std::optional<Agreement> found, std::int64_t second) {
    tally_.mirrored(
        {.segment = 1, .pod = "p", .found = found, .now = system_clock::time_point(seconds(second))});
  };
  mirrored(
      Agreement{.elements = 3, .difference_sum = 0.5, .worst_difference = 0.3, .rows = 2, .rows_agreed = 2},
      1000);
  mirrored(Agreement{.agreed = false,
                     .elements = 1,
                     .difference_sum = 0.5,
                     .worst_difference = 0.2,
                     .rows = 1,
                     .rows_agreed = 0},
           1001);
  mirrored(std::nullopt, 1001);
  mirrored(Agreement(), 1002);
  tally_.mirror_dropped(1);
  tally_.mirror_dropped(1);
  EXPECT_EQ(last()["mirrored"],
            json::parse(R"({"p":{"compared":4,"disagreed":2,"failed":1,"top1":{"rows":3,"agreed":2},
      "elements":4,"meanDifference":0.25,"worstDifference":0.3}})"));
  EXPECT_EQ(last()["mirrorDropped"], 2);
  const auto candidate = last()["revisions"]["r2"];
  EXPECT_EQ(candidate["requests"], 0);
  EXPECT_EQ(candidate["counted"]["p"]["disagreement"],
            json::parse(R"({"requests":3,"bad":1,"at":[[1001,1]]})"));
  EXPECT_EQ(candidate["counted"]["p"]["errors"]["requests"], 0);
  EXPECT_EQ(last()["revisions"]["r1"]["requests"], 0);
  EXPECT_EQ(tally_.total(Shadow::kAgreed), 2);
  EXPECT_EQ(tally_.total(Shadow::kDisagreed), 1);
  EXPECT_EQ(tally_.total(Shadow::kFailed), 1);
  EXPECT_EQ(tally_.total(Shadow::kDropped), 2);
}

TEST_F(TallyTest, WithoutAMirrorNothingIsSaidOfOne) {
  tally_.apply(1, rules_, now_);
  count(Arm::kCandidate, Verdict::kGood, "p");
  EXPECT_FALSE(last().contains("mirrored"));
  EXPECT_FALSE(last().contains("mirrorDropped"));
  EXPECT_FALSE(last()["revisions"]["r2"]["counted"]["p"].contains("disagreement"));
}

TEST_F(TallyTest, WhatIsMirroredOfASegmentThatIsNotKeptIsInTheTotals) {
  tally_.apply(1, rules_, now_);
  tally_.mirrored({.segment = 99, .pod = "p", .found = {}, .now = now_});
  tally_.mirror_dropped(99);
  EXPECT_EQ(tally_.total(Shadow::kFailed), 1);
  EXPECT_EQ(tally_.total(Shadow::kDropped), 1);
}

TEST_F(TallyTest, OfSoManyPodsAnswersAreComparedAndOfNoMore) {
  rules_.mirror = Tolerance();
  tally_.apply(1, rules_, now_);
  for (int twice = 0; twice < 2; ++twice) {
    for (std::size_t i = 0; i < Tally::kMostShadows + 1; ++i) {
      tally_.mirrored({.segment = 1, .pod = std::to_string(i), .found = Agreement(), .now = now_});
    }
  }
  EXPECT_EQ(last()["mirrored"].size(), Tally::kMostShadows);
  EXPECT_EQ(last()["mirrored"]["0"]["compared"], 2);
  EXPECT_EQ(last()["mirrorDropped"], 2);
}

TEST_F(TallyTest, AtItsWorstItFitsIntoWhatTheOperatorReads) {
  rules_.sticky_header = "h";
  rules_.slow_threshold = Tally::Seconds(0.1);
  rules_.mirror = Tolerance();
  for (std::uint64_t epoch = 1; epoch <= 5; ++epoch) {
    rules_.hundredths = static_cast<unsigned>(epoch);
    tally_.apply(epoch, rules_, now_);
    for (int i = 0; i < 200; ++i) {
      const auto pod = std::format("{:036}", i);
      for (std::int64_t second = 1'795'651'200; second < 1'795'651'300; second += 2) {
        count(Arm::kCandidate, Verdict::kError, pod.c_str(), epoch * 1000 + i, 1, second);
        count(Arm::kCandidate, Verdict::kGood, pod.c_str(), epoch * 1000 + i, 1, second);
        tally_.mirrored({.segment = tally_.segment(),
                         .pod = pod,
                         .found = Agreement{.agreed = false,
                                            .elements = 1'000'000,
                                            .difference_sum = 1.0 / 3,
                                            .worst_difference = 1.0 / 3,
                                            .rows = 1'000'000,
                                            .rows_agreed = 1'000'000},
                         .now = system_clock::time_point(seconds(second))});
      }
    }
  }
  EXPECT_LT(tally_.to_json("r1").dump().size(), 224 * 1024);
}

}  // namespace
}  // namespace pilotlight::front
