// What a front makes of a model's bytes and of its check, and whose fault a failure is.

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "common/http/testing.h"
#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::kInfer;
using testing::ScriptedLauncher;
using OnLoad = testing::ScriptedLauncher::OnLoad;

class FrontProof : public testing::FrontTest {};

TEST_F(FrontProof, AnotherDigestThanTheUsersIsTheRevisionsFault) {
  config_.digest = "sha256:" + std::string(64, '0');
  run();
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "DigestMismatch");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr(config_.digest));
}

TEST_F(FrontProof, OtherBytesThanThePinIsThePodsFault) {
  config_.pinned = "sha256:" + std::string(64, '0');
  run();
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Pod");
  EXPECT_EQ(now["failure"]["reason"], "SourceChanged");
}

TEST_F(FrontProof, APinnedRevisionIsNotCheckedApart) {
  run_until_ready();
  config_.pinned = status()["digest"];
  stop();
  std::filesystem::remove_all(options_.state);
  run();
  await_phase("Ready");
  EXPECT_EQ(script_->checks, 0);
  EXPECT_EQ(script_->serves, 1);
}

TEST_F(FrontProof, AMissingFileIsWaitedFor) {
  std::filesystem::remove(folder_ / "digits.tar");
  run();
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["failure"]["reason"], "NotFound");
  EXPECT_EQ(now["final"], false);
  std::ofstream(folder_ / "digits.tar") << "the model";
  const auto ready = await_phase("Ready");
  EXPECT_GE(ready["attempt"], 2);
}

TEST_F(FrontProof, AnInvalidConfigurationIsReportedOnTheAdminPort) {
  config_.invalid =
      wire::Failure{.failure_class = wire::FailureClass::kRevision, .reason = "InvalidContract"};
  run();
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "InvalidContract");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/livez").status, 200);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 503);
}

// The check.

TEST_F(FrontProof, ACrashInTheCheckIsTheRevisionsFault) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kDies; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["final"], true);
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "CrashedInCheck");
  EXPECT_EQ(now["failure"]["phase"], "Checking");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr("Segmentation fault"));
}

TEST_F(FrontProof, AForbiddenCallInTheCheckIsTheRevisionsFaultAndIsNamed) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kViolates; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["final"], true);
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
  EXPECT_EQ(now["failure"]["phase"], "Checking");
  EXPECT_EQ(now["failure"]["message"], "the model tried to open a file for writing (openat)");
}

TEST_F(FrontProof, AForbiddenCallThatCouldNotBeToldIsOneToo) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kViolatesSilently; });
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "SandboxViolation");
}

TEST_F(FrontProof, AForbiddenCallWhileLoadingAPinnedRevisionIsThePodsFault) {
  run_until_ready();
  config_.pinned = status()["digest"];
  stop();
  std::filesystem::remove_all(options_.state);
  run([](ScriptedLauncher& script) { script.serve = OnLoad::kViolates; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Pod");
  EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
}

TEST_F(FrontProof, ADeviceThatFailsBeforeAnyProofIsTriedAgain) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kBreaksDevice; });
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["final"], false);
  EXPECT_EQ(now["failure"]["reason"], "DeviceFailed");
  EXPECT_EQ(now["failure"]["phase"], "Checking");
}

TEST_F(FrontProof, AKillInTheCheckIsTheWorldsFault) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kKilled; });
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["failure"]["reason"], "OutOfMemory");
  EXPECT_EQ(now["final"], false);
}

TEST_F(FrontProof, ACheckThatDoesNotEndIsGivenUp) {
  config_.validation_timeout = std::chrono::duration<double>(0.1);
  run([](ScriptedLauncher& script) { script.check = OnLoad::kSilent; });
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "CheckTimeout");
}

TEST_F(FrontProof, WhatTheEngineSaysOfASignatureIsNotBelieved) {
  run([](ScriptedLauncher& script) { script.proof["signature"] = {{"keyId", "sha256:mine"}}; });
  const auto proof = await_phase("Ready")["proof"];
  EXPECT_EQ(proof["level"], "Answers");
  EXPECT_FALSE(proof.contains("signature"));
}

// What becomes of the model must not depend on where LibTorch's own passes fail.
class FrontGraphs : public testing::FrontTest, public ::testing::WithParamInterface<OnLoad> {};

TEST_P(FrontGraphs, OneThatDoesNotComeBackFromTheCheckIsGivenUp) {
  run([](ScriptedLauncher& script) { script.check = GetParam(); });
  const auto now = await_phase("Ready");
  EXPECT_EQ(now["proof"]["runtime"]["graph"], "frozen");
  EXPECT_EQ(script_->checks, 2);
  EXPECT_EQ(now["engine"]["restarts"], 0);
}

TEST_P(FrontGraphs, OneThatDoesNotComeBackFromLoadingIsGivenUp) {
  run([](ScriptedLauncher& script) { script.serve = GetParam(); });
  const auto now = await_phase("Ready");
  EXPECT_EQ(now["proof"]["runtime"]["graph"], "frozen");
  EXPECT_EQ(script_->checks, 1);
  EXPECT_EQ(now["engine"]["restarts"], 1);
  EXPECT_FALSE(now.contains("failure"));
}

INSTANTIATE_TEST_SUITE_P(Ends, FrontGraphs,
                         ::testing::Values(OnLoad::kGraphDies, OnLoad::kGraphHangs,
                                           OnLoad::kGraphBreaksDevice));

TEST_F(FrontProof, AGraphThatTheContainerEndedOverIsNotTriedAgain) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kGraphSilent; });
  const auto verdict = [&] {
    std::ifstream file(options_.state / "verdict.json");
    return json::parse(file, nullptr, false);
  };
  await([&](const json&) { return verdict().value("trying", "") == "optimized"; },
        "noted before it is tried");
  stop();
  run([](ScriptedLauncher& script) { script.check = OnLoad::kGraphSilent; });
  EXPECT_EQ(await_phase("Ready")["proof"]["runtime"]["graph"], "frozen");
}

}  // namespace
}  // namespace pilotlight::front
