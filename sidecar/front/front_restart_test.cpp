// What a front leaves behind for its next start, and for the kubelet.

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using ::testing::HasSubstr;
using testing::ScriptedLauncher;
using OnLoad = testing::ScriptedLauncher::OnLoad;

class FrontRestart : public testing::FrontTest {};

TEST_F(FrontRestart, WhatTheCheckFindsIsReportedAndRemembered) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kFailed; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["reason"], "GoldenMismatch");
  EXPECT_EQ(now["failure"]["remedy"], "r");
  std::ifstream words(options_.termination_log);
  std::string text;
  std::getline(words, text);
  EXPECT_THAT(text, HasSubstr("GoldenMismatch: m r"));
  stop();
  run();  // the container was restarted
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "GoldenMismatch");
  EXPECT_EQ(script_->checks, 0) << "a final verdict is not tried again";
}

TEST_F(FrontRestart, ARestartedFrontRepeatsNoWork) {
  run_until_ready();
  stop();
  std::filesystem::remove(folder_ / "digits.tar");
  run();
  await_phase("Ready");
  EXPECT_EQ(script_->checks, 0);
}

TEST_F(FrontRestart, ARestartedFrontStillTellsWhatTheCheckFoundOfEachGraph) {
  run([](ScriptedLauncher& script) { script.proof["graphs"] = {{{"graph", "plain"}, {"ms", 1.5}}}; });
  const auto graphs = await_phase("Ready")["proof"]["graphs"];
  stop();
  run();
  EXPECT_EQ(await_phase("Ready")["proof"]["graphs"], graphs);
  EXPECT_EQ(graphs[0]["ms"], 1.5);
}

TEST_F(FrontRestart, AFrontThatWasRestartedBetweenTwoAttemptsCountsOn) {
  std::filesystem::rename(folder_ / "digits.tar", folder_ / "away");
  run();
  const auto before = await_phase("Retrying")["attempt"].get<int>();
  stop();
  std::filesystem::rename(folder_ / "away", folder_ / "digits.tar");
  run();
  EXPECT_GT(await_phase("Ready")["attempt"], before);
}

TEST_F(FrontRestart, TheTerminationMessageIsThatOfThePhaseAndNotOfAnEarlierFailure) {
  const auto words = [&] {
    std::ifstream file(options_.termination_log);
    return std::string(std::istreambuf_iterator(file), {});
  };
  run([](ScriptedLauncher& script) { script.check = OnLoad::kKilled; });
  await_phase("Retrying");
  EXPECT_THAT(words(), ::testing::StartsWith("OutOfMemory: "));
  script_->check = OnLoad::kSilent;
  await_phase("Checking");
  EXPECT_THAT(words(), ::testing::StartsWith("ended while Checking"));
  EXPECT_THAT(words(), HasSubstr("(before that, OutOfMemory: the engine was killed"));
  drain().wait();
  EXPECT_EQ(words(), "") << "it ends as it was told to";
}

TEST_F(FrontRestart, APodWithAnotherIdentityKnowsNothingOfTheVerdict) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kFailed; });
  await_phase("Failed");
  stop();
  config_.identity.pod_uid = "another";
  run();
  await_phase("Ready");
}

}  // namespace
}  // namespace pilotlight::front
