// Whom a request falls to, and what is counted of it.

#include <gmock/gmock.h>

#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "sidecar/front/split/bad_seconds.h"
#include "sidecar/front/split/choice.h"
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

// Bad seconds.

TEST(BadSeconds, APodIsBadOnceASecond) {
  BadSeconds bad;
  for (int i = 0; i < 50; ++i) bad.note("p", 1000);
  bad.note("p", 1001);
  bad.note("q", 1001);
  bad.note("p", 1005);
  EXPECT_EQ(bad.count(), 4);
  EXPECT_EQ(bad.to_json(),
            json::parse(R"({"p":{"count":3,"at":[[1000,2],[1005,1]]},"q":{"count":1,"at":[[1001,1]]}})"));
}

TEST(BadSeconds, AClockThatGoesBackALittleCountsNothingTwice) {
  BadSeconds bad;
  bad.note("p", 1000);
  bad.note("p", 999);
  bad.note("p", 1000);
  EXPECT_EQ(bad.count(), 1);
}

TEST(BadSeconds, AreBounded) {
  BadSeconds bad;
  for (int pod = 0; pod < 500; ++pod) {
    for (int second = 0; second < 200; second += 2) bad.note(std::to_string(pod), 1000 + second);
  }
  const auto document = bad.to_json();
  EXPECT_EQ(document.size(), BadSeconds::kMostPods);
  EXPECT_EQ(document["0"]["at"].size(), BadSeconds::kMostRuns);
  EXPECT_EQ(document["0"]["count"], 100);
  EXPECT_EQ(document["0"]["at"].back(), json({1198, 1}));
}

// The tally.

class TallyTest : public ::testing::Test {
 protected:
  void count(Arm arm, Verdict verdict, const char* pod = "own", std::uint64_t session = 1,
             double took = 0.003) {
    tally_.count({.segment = tally_.segment(),
                  .arm = arm,
                  .verdict = verdict,
                  .pod = pod,
                  .session = session,
                  .took = std::chrono::duration<double>(took),
                  .now = system_clock::time_point(seconds(1000))});
  }
  json last() const { return tally_.to_json("r1").back(); }

  Tally tally_;
  Tally::Rules rules_{.hundredths = 500, .salt = "s", .sticky_header = "", .candidate = "r2"};
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
  EXPECT_EQ(segment["weight"], 5.0);
  EXPECT_EQ(segment["appliedAt"], "2026-11-26T00:00:00Z");
  const auto& stable = segment["revisions"]["r1"];
  EXPECT_EQ(stable["requests"], 7);
  EXPECT_EQ(stable["bad"], (json{{"error", 1}, {"hopFailure", 0}}));
  EXPECT_EQ(stable["clientErrors"], 1);
  EXPECT_EQ(stable["badSeconds"], 1);
  const auto& candidate = segment["revisions"]["r2"];
  EXPECT_EQ(candidate["requests"], 4);
  EXPECT_EQ(candidate["bad"], (json{{"error", 1}, {"hopFailure", 2}}));
  EXPECT_EQ(candidate["badSeconds"], 2) << "two pods in one second";
  EXPECT_EQ(candidate["cancelled"], 1);
  EXPECT_FALSE(candidate.contains("sessions"));
  EXPECT_EQ(tally_.total(Arm::kCandidate, Verdict::kHopFailure), 2);
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
  for (const auto& change :
       std::vector<std::function<void()>>{[&] { rules_.salt = "t"; }, [&] { rules_.candidate = "r3"; },
                                          [&] { rules_.sticky_header = "h"; }}) {
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

TEST_F(TallyTest, StaysSmall) {
  rules_.sticky_header = "h";
  for (std::uint64_t epoch = 1; epoch <= 10; ++epoch) {
    rules_.hundredths = static_cast<unsigned>(epoch);
    tally_.apply(epoch, rules_, now_);
    for (int i = 0; i < 200; ++i)
      count(Arm::kCandidate, Verdict::kError, std::to_string(i).c_str(), epoch * 1000 + i);
  }
  EXPECT_LT(tally_.to_json("r1").dump().size(), 40'000);
}

}  // namespace
}  // namespace pilotlight::front
