// Engines that die, hang, grow or lose their device while a front serves.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

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

class FrontEngineDeaths : public testing::FrontTest {
 protected:
  // Until there is no engine, and the status says why.
  json await_away() const {
    return await([](const json& s) { return s["phase"] == "Loading" && s.contains("failure"); }, "away");
  }
};

TEST_F(FrontEngineDeaths, AnEngineThatDiesIsA503AndComesBackByItself) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(testing::kCrash));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("retry-after"), "1");
  const auto now = await_restarted(1);
  EXPECT_EQ(now["engine"]["lastExit"], "signal 11 (Segmentation fault)");
  EXPECT_FALSE(now.contains("failure"));
  EXPECT_EQ(script_->checks, 1) << "what has been checked is not checked again";
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  EXPECT_EQ(metric("pilotlight_engine_restarts_total"), 1);
}

TEST_F(FrontEngineDeaths, WhileTheEngineIsAwayTheStatusSaysWhy) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kCrash)).status, 503);
  const auto now = await_away();
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "EngineCrashed");
  EXPECT_EQ(now["final"], false);
  EXPECT_EQ(now["ready"], false);
  const auto ready = http::testing::call(admin_, "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json::parse(ready.body)["reason"], "EngineCrashed");
}

TEST_F(FrontEngineDeaths, AnEngineThatHangsIsEnded) {
  config_.endpoint_timeout = std::chrono::duration<double>(0.2);
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 503);
  await_restarted(1);
  EXPECT_THAT(status()["engine"]["lastExit"].get<std::string>(), HasSubstr("did not end within 0.2 s"));
}

TEST_F(FrontEngineDeaths, AnEngineThatTakesFarLongerThanWhenItWasWarmIsEnded) {
  run([](ScriptedLauncher& script) {
    script.proof["warmup"] = json::array({{{"batchSize", 8}, {"warmMs", 60}}});
  });
  await_phase("Ready");
  EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 503);
  await_restarted(1);
  EXPECT_THAT(status()["engine"]["lastExit"].get<std::string>(), HasSubstr("did not end within 1.2 s"));
}

TEST_F(FrontEngineDeaths, InputsThatAnEngineHasCrashedOnAreRefused) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kCrash)).status, 503);
  await_restarted(1);
  const auto again = post(kInfer, infer_body(testing::kCrash));
  EXPECT_EQ(again.status, 422);
  EXPECT_THAT(again.body, HasSubstr("ended with these very inputs before"));
  EXPECT_EQ(post_binary({testing::kCrash, 2, 3}).status, 422) << "however they are written";
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  EXPECT_EQ(status()["engine"]["restarts"], 1);
}

TEST_F(FrontEngineDeaths, InputsThatAnEngineWasKilledWithAreRefusedTheSecondTime) {
  config_.endpoint_timeout = std::chrono::duration<double>(0.2);
  run_until_ready();
  for (const int deaths : {1, 2}) {
    EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 503);
    await_restarted(deaths);
  }
  EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 422);
  EXPECT_EQ(status()["engine"]["restarts"], 2);
}

TEST_F(FrontEngineDeaths, WhatAnEngineThatDiesHadNotBegunIsAnsweredByTheNext) {
  run_until_ready();
  std::thread deadly([&] { EXPECT_EQ(post(kInfer, infer_body(testing::kSlowCrash)).status, 503); });
  await_begun();
  std::vector<std::thread> others;
  for (float i = 1; i <= 4; ++i) {
    others.emplace_back([&, i] {
      const auto answer = post(kInfer, infer_body(i));
      EXPECT_EQ(answer.status, 200) << answer.body;
    });
  }
  await([&](const json&) { return metric("pilotlight_queue_depth") == 3; }, "waiting");
  script_->release();
  deadly.join();
  for (auto& each : others) each.join();
  EXPECT_EQ(status()["engine"]["restarts"], 1);
}

TEST_F(FrontEngineDeaths, AForbiddenCallWhileServingIsA503AndTheStatusSaysSo) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kForbidden)).status, 503);
  const auto now = await_away();
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
  EXPECT_EQ(now["failure"]["message"], "while serving, the model tried to open a file for writing (openat)");
  EXPECT_EQ(now["engine"]["lastExit"], "the model tried to open a file for writing (openat)");
}

// Devices: the engine tells when its own has become unusable.

TEST_F(FrontEngineDeaths, ADeviceThatFailsWhileServingIsA503AndANewEngine) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
  const auto now = await_away();
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "DeviceFailed");
  EXPECT_EQ(now["failure"]["message"], "cuda:0: ECC");
  EXPECT_EQ(now["engine"]["lastExit"], "cuda:0: ECC");
  await([this](const json&) { return script_->serves == 2; }, "a new engine");
}

TEST_F(FrontEngineDeaths, ADeviceThatFailsOnceIsForgotten) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
  const auto now = await_restarted(1);
  EXPECT_FALSE(now.contains("failure"));
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
}

// It may be theirs: an index that no table has fails an assertion on the device.
TEST_F(FrontEngineDeaths, InputsThatADeviceFailedWithTwiceAreRefused) {
  run_until_ready();
  for (const int failures : {1, 2}) {
    EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
    await_restarted(failures);
  }
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 422);
}

TEST_F(FrontEngineDeaths, ADeviceThatThenFailsTheProofIsThisPodsFault) {
  run_until_ready();
  script_->serve = OnLoad::kBreaksDevice;
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["final"], true);
  EXPECT_EQ(now["failure"]["class"], "Pod");
  EXPECT_EQ(now["failure"]["reason"], "DeviceFailed");
}

TEST_F(FrontEngineDeaths, AnEngineThatServesCanBlameNothingButItsDevice) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kSaysOther)).status, 503);
  const auto now = await_away();
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "EngineCrashed");
}

// 1000 MiB, of which so many are held.
class FrontMemory : public testing::FrontTest {
 protected:
  FrontMemory() {
    options_.memory = [held = held_, looks = looks_] {
      ++*looks;
      return CgroupMemory{.held = static_cast<std::uint64_t>(*held) << 20U, .limit = 1000ULL << 20U};
    };
  }
  void hold(int mebibytes) { *held_ = mebibytes; }
  void await_looks(int more) {
    await([this, until = *looks_ + more](const json&) { return *looks_ >= until; }, "looks at the memory");
  }

 private:
  std::shared_ptr<std::atomic<int>> held_ = std::make_shared<std::atomic<int>>(500);
  std::shared_ptr<std::atomic<int>> looks_ = std::make_shared<std::atomic<int>>(0);
};

TEST_F(FrontMemory, AnEngineThatHasGrownIsReplacedOnceItHasAnsweredWhatItHas) {
  run_until_ready();
  await_looks(2);
  std::thread slow([&] { EXPECT_EQ(post(kInfer, infer_body(testing::kSlow)).status, 200); });
  await_begun();
  hold(920);
  await_looks(2);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 503) << "no more are admitted";
  EXPECT_EQ(status()["ready"], true) << "full is not unready";
  EXPECT_EQ(status()["engine"]["restarts"], 0);
  script_->release();
  slow.join();
  hold(500);
  const auto now = await_restarted(1);
  EXPECT_EQ(now["engine"]["lastExit"], "920 MiB of the container's 1000 MiB in use");
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
}

TEST_F(FrontMemory, AnEngineThatNeedsThatMuchFromTheStartIsKept) {
  hold(920);
  run_until_ready();
  await_looks(3);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  EXPECT_EQ(status()["engine"]["restarts"], 0);
}

TEST_F(FrontMemory, AnEngineIsEndedBeforeTheKernelEndsTheContainer) {
  run_until_ready();
  std::thread hung([&] { EXPECT_EQ(post(kInfer, infer_body(testing::kSlow)).status, 503); });
  await_begun();
  hold(960);
  await([](const json& s) { return s["engine"]["restarts"] == 1; }, "ended");
  hung.join();
  hold(500);
  const auto now = await([](const json& s) { return s["ready"] == true; }, "back");
  EXPECT_EQ(now["engine"]["lastExit"], "960 MiB of the container's 1000 MiB in use");
}

}  // namespace
}  // namespace pilotlight::front
