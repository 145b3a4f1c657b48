#include "operator/plan/trouble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::plan {
namespace {

using ::testing::HasSubstr;

class PodTrouble : public ::testing::Test {
 protected:
  PodTrouble() {
    pod_.meta.name = "digits-x-1";
    pod_.meta.created = now_;
    pod_.node = "node-1";
    pod_.phase = "Running";
    pod_.running = true;
    pod_.started = now_;
    pod_.ip = "10.0.0.7";
  }
  Trouble Ails(const api::Report* report = nullptr) const { return WhatAils(pod_, report, settings_, now_); }

  api::Time now_{std::chrono::seconds(1'795'000'000)};
  Settings settings_;
  api::Pod pod_;
};

TEST_F(PodTrouble, ThatJustStartsIsNone) {
  EXPECT_EQ(Ails().reason, "Starting");
  EXPECT_FALSE(Ails().wrong);
}

TEST_F(PodTrouble, AnImageThatCannotBePulledNamesWhatToCheck) {
  pod_.running = false;
  pod_.waiting_reason = "ImagePullBackOff";
  pod_.waiting_message = "Back-off pulling image \"x\"";
  EXPECT_EQ(Ails().reason, "ImagePullBackOff");
  EXPECT_TRUE(Ails().wrong);
  EXPECT_THAT(Ails().message, HasSubstr("imagePullSecrets"));
  EXPECT_THAT(Ails().message, HasSubstr("Back-off pulling image"));
}

TEST_F(PodTrouble, NoNodeTakesItSaysWhy) {
  pod_.scheduled = false;
  pod_.node.clear();
  pod_.running = false;
  pod_.unscheduled_why = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu";
  EXPECT_EQ(Ails().reason, "Unschedulable");
  EXPECT_THAT(Ails().message, HasSubstr("nvidia.com/gpu"));
}

TEST_F(PodTrouble, NotYetScheduledIsOnItsWay) {
  pod_.node.clear();
  pod_.running = false;
  EXPECT_EQ(Ails().reason, "Scheduling");
  EXPECT_FALSE(Ails().wrong);
}

TEST_F(PodTrouble, AMissingSecretIsHintedAtAfterAMinute) {
  pod_.running = false;
  EXPECT_FALSE(Ails().wrong);
  pod_.meta.created = now_ - std::chrono::minutes(2);
  EXPECT_TRUE(Ails().wrong);
  EXPECT_EQ(Ails().reason, "ContainerCreating");
  EXPECT_THAT(Ails().message, HasSubstr("volume or Secret"));
}

TEST_F(PodTrouble, OutOfMemoryIsToldEvenWhileTheNextContainerRuns) {
  pod_.restarts = 2;
  pod_.last_exit_reason = "OOMKilled";
  pod_.last_exit_message = "killed while LOADING, engine at 900 of 1024 MiB";
  EXPECT_EQ(Ails().reason, "OutOfMemory");
  EXPECT_THAT(Ails().message, HasSubstr("engine at 900 of 1024 MiB"));
  EXPECT_THAT(Ails().message, HasSubstr("resources.limits.memory"));
}

TEST_F(PodTrouble, ACrashedSidecarShowsItsLastWords) {
  pod_.running = false;
  pod_.waiting_reason = "CrashLoopBackOff";
  pod_.restarts = 4;
  pod_.last_exit_code = 127;
  EXPECT_EQ(Ails().reason, "SidecarCrashed");
  EXPECT_THAT(Ails().message, HasSubstr("exit code 127"));
  pod_.last_exit_message = "no such flag";
  EXPECT_THAT(Ails().message, HasSubstr("no such flag"));
}

TEST_F(PodTrouble, AnEvictedPodSaysSo) {
  pod_.phase = "Failed";
  pod_.reason = "Evicted";
  pod_.message = "The node was low on resource: memory.";
  EXPECT_EQ(Ails().reason, "Evicted");
  EXPECT_THAT(Ails().message, HasSubstr("low on resource"));
}

TEST_F(PodTrouble, TheSidecarsOwnWordComesFirst) {
  pod_.restarts = 1;
  pod_.last_exit_reason = "OOMKilled";
  api::Report report;
  report.phase = "Retrying";
  report.failure = api::Failure{"World", "NotFound", "Fetching", "HTTP 404", "Upload it"};
  EXPECT_EQ(Ails(&report).reason, "NotFound");
  EXPECT_THAT(Ails(&report).message, HasSubstr("HTTP 404. Upload it"));
}

TEST_F(PodTrouble, APhaseIsOnItsWay) {
  api::Report report;
  report.phase = "Warming";
  EXPECT_EQ(Ails(&report).reason, "Warming");
  EXPECT_FALSE(Ails(&report).wrong);
}

TEST_F(PodTrouble, SilenceIsTroubleAfterTheGraceAndNamesNoAddress) {
  api::Report report;
  report.error = "no answer in time";
  report.unreachable_since = now_ - std::chrono::minutes(1);
  EXPECT_FALSE(Ails(&report).wrong) << "the container has only just started";
  pod_.started = now_ - std::chrono::minutes(1);
  EXPECT_EQ(Ails(&report).reason, "SidecarUnreachable");
  EXPECT_THAT(Ails(&report).message, HasSubstr("NetworkPolicy"));
  EXPECT_THAT(Ails(&report).message, ::testing::Not(HasSubstr("10.0.0.7")));
}

}  // namespace
}  // namespace pilotlight::plan
