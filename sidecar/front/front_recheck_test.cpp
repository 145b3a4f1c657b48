// Golden re-checks of a front that serves.

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/http/testing.h"
#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using http::testing::RawClient;
using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::infer_request;
using testing::kInfer;
using testing::ScriptedLauncher;

class FrontRecheck : public testing::FrontTest {
 protected:
  FrontRecheck() { config_.recheck_interval = std::chrono::duration<double>(0.02); }
  void run_with_cases(const std::function<void(ScriptedLauncher&)>& prepare = {}) {
    run([&](ScriptedLauncher& script) {
      script.proof["cases"] = 3;
      if (prepare) prepare(script);
    });
    await_phase("Ready");
  }
  json await_result(std::string_view result) const {
    return await(
        [&](const json& now) { return now.contains("recheck") && now["recheck"]["result"] == result; },
        result);
  }
  // Until the engine has been asked so often.
  void await_rechecks(int count) const {
    await([&](const json&) { return script_->rechecks >= count; }, "asked");
  }
};

TEST_F(FrontRecheck, TheCasesAreRunAgainAndAgainOneAfterTheOther) {
  run_with_cases();
  const auto now = await_result("Passed")["recheck"];
  EXPECT_EQ(now["cases"], 3);
  EXPECT_EQ(now["worstError"]["case"], "case-2") << "the worst of all of them";
  EXPECT_THAT(now["at"].get<std::string>(), ::testing::EndsWith("Z"));
  EXPECT_FALSE(now.contains("failure"));
  await_rechecks(9);
  await([&](const json&) { return metric("pilotlight_golden_rechecks_total{result=\"passed\"}") >= 3; },
        "counted");
  EXPECT_EQ(metric("pilotlight_golden_recheck_failing"), 0);
  EXPECT_GT(metric("pilotlight_golden_recheck_timestamp_seconds"), 1e9);
}

TEST_F(FrontRecheck, OneThatFailsTwiceIsReportedAndThePodStaysReady) {
  run_with_cases([](ScriptedLauncher& script) { script.bad_case = 1; });
  const auto now = await_result("Failed");
  EXPECT_EQ(now["ready"], true);
  EXPECT_FALSE(now.contains("failure")) << "it serves";
  const auto& failure = now["recheck"]["failure"];
  EXPECT_EQ(failure["class"], "Pod");
  EXPECT_EQ(failure["reason"], "GoldenMismatch");
  EXPECT_EQ(failure["phase"], "Ready");
  EXPECT_EQ(failure["message"], "case one: expected 3, got 2");
  EXPECT_THAT(failure["remedy"].get<std::string>(), HasSubstr("the node's hardware"));
  EXPECT_EQ(now["recheck"]["cases"], 2);
  EXPECT_EQ(metric("pilotlight_golden_recheck_failing"), 1);
  EXPECT_GE(metric("pilotlight_golden_rechecks_total{result=\"failed\"}"), 1);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  script_->bad_case = ScriptedLauncher::kNone;
  await_result("Passed");
  EXPECT_EQ(metric("pilotlight_golden_recheck_failing"), 0);
}

TEST_F(FrontRecheck, OneThatFailsOnceDoesNotCount) {
  run_with_cases([](ScriptedLauncher& script) {
    script.bad_case = 1;
    script.failures_left = 1;
  });
  const auto now = await_result("Passed");
  EXPECT_EQ(now["recheck"]["cases"], 3);
  EXPECT_EQ(metric("pilotlight_golden_rechecks_total{result=\"failed\"}"), -1);
  EXPECT_EQ(metric("pilotlight_golden_rechecks_total{result=\"unconfirmed\"}"), 1);
}

TEST_F(FrontRecheck, ARecheckThatHangsIsAnEngineThatHangs) {
  config_.endpoint_timeout = std::chrono::duration<double>(0.2);
  run_with_cases([](ScriptedLauncher& script) { script.bad_case = ScriptedLauncher::kSilent; });
  await_rechecks(1);
  script_->bad_case = ScriptedLauncher::kNone;
  await([](const json& now) { return now["engine"]["restarts"] == 1; }, "ended");
  await_result("Passed");
}

TEST_F(FrontRecheck, WhenTheEngineDiesInARecheckNoRequestIsLostOrToBlame) {
  run_with_cases([](ScriptedLauncher& script) { script.bad_case = ScriptedLauncher::kDies; });
  await_rechecks(1);
  std::vector<std::thread> behind;
  for (int i = 0; i < 2; ++i) {
    behind.emplace_back([&] { EXPECT_EQ(post(kInfer, infer_body(1)).status, 200); });
  }
  await([&](const json&) { return metric("pilotlight_queue_depth") == 1; }, "one in hand, one waiting");
  script_->bad_case = ScriptedLauncher::kNone;
  script_->release();
  for (auto& each : behind) each.join();
  EXPECT_EQ(status()["engine"]["restarts"], 1);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200) << "refused as the one that the engine died of";
}

TEST_F(FrontRecheck, WhileDrainingNoneIsBegun) {
  options_.drain = {.quiet = milliseconds(0), .least = milliseconds(0), .most = milliseconds(10'000)};
  config_.recheck_interval = std::chrono::duration<double>(0.001);
  run_with_cases();
  await_rechecks(3);
  RawClient slow(port_);
  slow.send(infer_request(testing::kSlow));
  await_begun();
  const auto drained = drain();
  await_phase("Draining");
  script_->release();
  const int before = script_->rechecks;
  EXPECT_EQ(slow.read().status, 200);
  drained.wait();
  EXPECT_LE(script_->rechecks, before + 1) << "but what is under way";
}

}  // namespace
}  // namespace pilotlight::front
