// The real binary over a real socket pair, as the front uses it.

#include "sidecar/engine/testing/engine_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sidecar/engine/testing/models.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;
using testing::EngineProcess;
using ::testing::HasSubstr;
using testing::kNoAnswer;
using testing::model_file;

std::string doubling_bundle(float expected) {
  const at::Tensor one = torch::full({1, 1}, 1.0F);
  return testing::write_bundle({.model = model_file("def forward(self, x):\n    return x * 2\n"),
                                .contract = "  inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]\n"
                                            "  outputs: [{name: y, datatype: FP32, shape: [-1, 1]}]\n",
                                .cases = {{.name = "one",
                                           .inputs = {testing::plain("x", one)},
                                           .outputs = {testing::plain("y", one * expected)}}}});
}

TEST(EngineProcessTest, ServeLoadsProvesAnswersAndEndsCleanly) {
  EngineProcess engine({"serve"});
  engine.load(doubling_bundle(2), {{"digest", "sha256:9f"}, {"runtime", {{"threads", 1}}}}, true);
  const auto [kind, document] = engine.verdict();
  ASSERT_EQ(kind, wire::Kind::kLoaded) << document;
  EXPECT_THAT(engine.phases, ::testing::ElementsAre("Loading", "Warming"));
  EXPECT_EQ(document.at("proof").at("level"), "Answers");
  EXPECT_EQ(document.at("proof").at("digest"), "sha256:9f");
  EXPECT_EQ(document.at("proof").at("runtime").at("threads"), 1);
  EXPECT_EQ(document.at("proof").at("sandbox").at(0), "seccomp");
  EXPECT_EQ(document.at("contract").at("inputs").at(0).at("name"), "x");
  EXPECT_GE(document.at("timings").at("load"), 0.0);
  for (const float value : {1.0F, -3.5F, 1e6F}) {
    float answer = 0;
    ASSERT_EQ(engine.infer(value, &answer), wire::Status::kOk);
    EXPECT_EQ(answer, value * 2);
  }
  engine.close();
  EXPECT_EQ(engine.end(), 0);
}

TEST(EngineProcessTest, GoldenCasesAreRunAgainBetweenInferencesFromTheFileThatItWasGiven) {
  EngineProcess engine({"serve"});
  engine.load(doubling_bundle(2), json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  for (int i = 0; i < 3; ++i) {
    const json passed = engine.recheck(0);
    EXPECT_EQ(passed.at("id"), 8);
    EXPECT_EQ(passed.at("case"), "one");
    EXPECT_EQ(passed.at("worstError").at("error"), 0);
    EXPECT_EQ(passed.at("worstError").at("tensor"), "y");
    EXPECT_FALSE(passed.contains("failure"));
    float answer = 0;
    ASSERT_EQ(engine.infer(3, &answer), wire::Status::kOk);
    EXPECT_EQ(answer, 6);
  }
  EXPECT_EQ(engine.recheck(1).at("failure").at("message"), "there is no such golden case");
}

TEST(EngineProcessTest, AModelThatChangesItsMindFailsAGoldenCaseThatItHasPassed) {
  // Changes once it has been given a number above 1000.
  const at::Tensor one = torch::full({1, 1}, 1.0F);
  EngineProcess engine({"serve"});
  engine.load(
      testing::write_bundle({.model = model_file("def forward(self, x):\n"
                                                 "    self.most.copy_(torch.max(self.most, x.max()))\n"
                                                 "    return x * 2 + (self.most > 1000).float() * 0.5\n",
                                                 {{"most", torch::zeros({})}}),
                             .contract = "  inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]\n"
                                         "  outputs: [{name: y, datatype: FP32, shape: [-1, 1]}]\n",
                             .cases = {{.name = "one",
                                        .inputs = {testing::plain("x", one)},
                                        .outputs = {testing::plain("y", one * 2)}}}}),
      {{"validation", {{"absoluteTolerance", 0.1}, {"relativeTolerance", 0.1}}}}, true);
  const auto [kind, document] = engine.verdict();
  ASSERT_EQ(kind, wire::Kind::kLoaded) << document;
  EXPECT_FALSE(engine.recheck(0).contains("failure"));
  float answer = 0;
  ASSERT_EQ(engine.infer(2000, &answer), wire::Status::kOk);
  const json failure = engine.recheck(0).at("failure");
  EXPECT_EQ(failure.at("reason"), "GoldenMismatch");
  EXPECT_EQ(failure.at("message"), "case one, output y[0,0]: expected 2, got 2.5, error 5.0e-01 > 4.0e-01")
      << "the proof's words, and the proof's tolerances";
  ASSERT_EQ(engine.infer(1, &answer), wire::Status::kOk) << "and it serves on";
  EXPECT_EQ(answer, 2.5F);
}

TEST(EngineProcessTest, WhatIsNoRecheckEndsTheConversation) {
  EngineProcess engine({"serve"});
  engine.load(doubling_bundle(2), json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  engine.send_json(wire::Kind::kRecheck, {{"id", "x"}});
  EXPECT_TRUE(engine.next().empty());
  EXPECT_EQ(engine.end(), 2);
}

TEST(EngineProcessTest, OneWhoseFrontHasEndedBeforeItBeganEndsAndLeavesTheModelAlone) {
  auto pair = wire::socket_pair().value();
  const wire::UniqueFd file(::memfd_create("model", MFD_CLOEXEC));
  const std::string model = model_file("def forward(self, x):\n    return x\n");
  ASSERT_EQ(::write(file.get(), model.data(), model.size()), static_cast<ssize_t>(model.size()));
  const int descriptors[] = {file.get()};
  ASSERT_TRUE(wire::send_json(pair.first.get(), wire::Kind::kLoad, json::object(), descriptors));
  pair.first.reset();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pair.second.get(), wire::kEngineSocket);
  std::string arguments[] = {PILOTLIGHT_ENGINE, "check"};
  char* pointers[] = {arguments[0].data(), arguments[1].data(), nullptr};
  pid_t process = 0;
  ASSERT_EQ(::posix_spawn(&process, PILOTLIGHT_ENGINE, &actions, nullptr, pointers, environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  ASSERT_EQ(::waitpid(process, &status, 0), process);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "with the model loaded it would have found nobody to tell";
}

TEST(EngineProcessTest, CheckReportsAndExits) {
  EngineProcess engine({"check"});
  engine.load(doubling_bundle(2), json::object(), false);
  const auto [kind, document] = engine.verdict();
  EXPECT_EQ(kind, wire::Kind::kLoaded) << document;
  EXPECT_THAT(engine.phases, ::testing::ElementsAre("Checking"));
  EXPECT_TRUE(engine.next().empty());
  EXPECT_EQ(engine.end(), 0);
}

TEST(EngineProcessTest, AGoldenMismatchIsReportedAndBlamedByThePin) {
  for (const bool pinned : {false, true}) {
    EngineProcess engine({"check"});
    engine.load(doubling_bundle(3), {{"pinned", pinned}}, false);
    const auto [kind, document] = engine.verdict();
    ASSERT_EQ(kind, wire::Kind::kFailed) << document;
    EXPECT_EQ(document.at("class"), pinned ? "Pod" : "Revision");
    EXPECT_EQ(document.at("reason"), "GoldenMismatch");
    EXPECT_EQ(document.at("phase"), "Checking");
    EXPECT_THAT(document.at("message").get<std::string>(),
                HasSubstr("case one, output y[0,0]: expected 3, got 2"));
    EXPECT_NE(document.at("remedy"), "");
    EXPECT_TRUE(engine.next().empty());
    EXPECT_EQ(engine.end(), 1);
  }
}

TEST(EngineProcessTest, AMessageThatQuotesTheBundleStaysBounded) {
  EngineProcess engine({"check"});
  engine.load(testing::write_bundle({.model = model_file("def forward(self, x):\n    return x * 2\n"),
                                     .contract = "  inputs: [{name: x, shape: [1], datatype: " +
                                                 std::string(300'000, 'n') + "}]\n  outputs: []\n"}),
              json::object(), false);
  const auto [kind, document] = engine.verdict();
  ASSERT_EQ(kind, wire::Kind::kFailed);
  EXPECT_EQ(document.at("reason"), "InvalidContract");
  EXPECT_LT(document.at("message").get<std::string>().size(), 2100U);
}

TEST(EngineProcessTest, AModelThatCrashesEndsTheEngineAndNothingElse) {
  // Writes far outside of its tensor: LibTorch has operators that check nothing.
  EngineProcess engine({"serve"});
  engine.load(
      model_file("def forward(self, x):\n"
                 "    where = torch.full([1, 1], 1000000000000, dtype=4)\n"
                 "    return torch._sparse_coo_tensor_unsafe(where, torch.ones([1]), [2]).to_dense() + x\n"),
      json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  float answer = 0;
  EXPECT_EQ(engine.infer(1, &answer), kNoAnswer);
  EXPECT_EQ(engine.end(), -SIGSEGV);
}

TEST(EngineProcessTest, AFrontThatGoesAwayBeforeTheModelCameIsNoError) {
  EngineProcess engine({"check"});
  engine.close();
  EXPECT_EQ(engine.end(), 0);
}

TEST(EngineProcessTest, AFirstPacketThatIsNoLoadEndsIt) {
  EngineProcess engine({"serve"});
  engine.load(doubling_bundle(2), json::object(), false);  // no arena
  EXPECT_TRUE(engine.next().empty());
  EXPECT_EQ(engine.end(), 2);
}

TEST(EngineProcessTest, LeavesCrashesToTheKernel) {
  EngineProcess engine({"serve"});
  engine.load(doubling_bundle(2), json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  // LibTorch's dependencies install handlers that would print and hang on.
  std::ifstream status("/proc/" + std::to_string(engine.process()) + "/status");
  unsigned long caught = ~0UL;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigCgt:")) caught = std::stoul(line.substr(8), nullptr, 16);
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTERM}) {
    EXPECT_EQ(caught & (1UL << (signal - 1)), 0U) << signal;
  }
}

}  // namespace
}  // namespace pilotlight::engine
