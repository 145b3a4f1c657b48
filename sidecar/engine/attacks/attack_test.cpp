// Models that attack, as far as TorchScript can express it, against the whole sidecar. Each test holds what
// was tried against what came of it, what the world is told, and that the sidecar serves on.

#include <caffe2/serialize/inline_container.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/torch.h>

#include <cstring>
#include <format>
#include <functional>
#include <sstream>

#include "sidecar/engine/attacks/real_front.h"
#include "sidecar/engine/attacks/victim.h"
#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::model_file;
using ::testing::Not;
using testing::numbers;
using testing::RealFront;

const std::string kWriting = "the model tried to open a file for writing (openat)";

// Does as asked with x[0] = 1, and doubles x otherwise. What is not assigned to x is optimised away.
std::string on_one(const std::string& statement) {
  return model_file(
      "def forward(self, x):\n"
      "    if bool(x[0, 0] == 1):\n"
      "        " +
      statement +
      "\n"
      "    return x * 2\n");
}

// Does as asked while it is being loaded.
std::string on_load(const std::string& statement) {
  torch::jit::Module module("test");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define(
      "def forward(self, x):\n"
      "    return x * 2\n"
      "def __getstate__(self):\n"
      "    return 1\n"
      "def __setstate__(self, state: int) -> None:\n"
      "    self.training = True\n"
      "    " +
      statement + "\n");
  std::ostringstream out;
  module.save(out);
  return out.str();
}

// The same archive, but some of its records are what no front end would write.
std::string rewritten(const std::string& good,
                      const std::function<void(const std::string& name, std::string& content)>& change) {
  std::istringstream in(good);
  std::string bad;
  caffe2::serialize::PyTorchStreamReader reader(&in);
  caffe2::serialize::PyTorchStreamWriter writer([&bad](const void* data, std::size_t size) {
    bad.append(static_cast<const char*>(data), size);
    return size;
  });
  for (const std::string& name : reader.getAllRecords()) {
    if (name == "version" || name.starts_with(".data/")) continue;  // the writer's own
    const auto [data, size] = reader.getRecord(name);
    std::string content(static_cast<const char*>(data.get()), size);
    change(name, content);
    writer.writeRecord(name, content.data(), content.size());
  }
  writer.writeEndOfFile();
  return bad;
}

// Of the answer in a million parentheses.
std::string deeply_nested() {
  constexpr std::size_t kDepth = 1'000'000;
  return rewritten(model_file("def forward(self, x):\n    return x * 2\n"),
                   [](const std::string& name, std::string& content) {
                     if (!name.ends_with(".py")) return;
                     const auto begin = content.find("return ") + std::strlen("return ");
                     const auto end = content.find('\n', begin);
                     content.insert(end, std::string(kDepth, ')')).insert(begin, std::string(kDepth, '('));
                   });
}

void replace(std::string& text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  if (at == std::string::npos) throw std::runtime_error("there is nothing to replace");
  text.replace(at, what.size(), with);
}

// As a pickle writes a long integer.
std::string pickled(std::int64_t number) {
  std::string text = "\x8a\x08";
  return text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// A file of two kilobytes, one of whose weights is said to have so many elements in its storage, and in its
// shape.
std::string with_a_weight_of(std::int64_t stored, std::int64_t shaped) {
  using std::string_literals::operator""s;
  const auto good =
      model_file("def forward(self, x):\n    return x * 2 + self.w.sum() * 0\n", {{"w", torch::ones(4)}});
  return rewritten(good, [&](const std::string& name, std::string& content) {
    if (!name.ends_with("data.pkl")) return;
    replace(content, "K\x04tQ"s, pickled(stored) + "tQ");
    replace(content, "(K\x04t"s, "(" + pickled(shaped) + "t");
  });
}

class Attack : public testing::Victim {
 protected:
  // The attack ends the engine, the request is answered, the status names the call, and it serves again.
  void expect_ended_for_writing(const std::string& model) const {
    const RealFront front(model);
    EXPECT_EQ(front.await_phase("Ready")["proof"]["sandbox"][0], "seccomp");
    const auto answer = front.infer({1});
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, Not(HasSubstr(folder_.string())));
    const auto now = front.await(
        [](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "started again");
    EXPECT_EQ(now["engine"]["lastExit"], kWriting);
    EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
    expect_no_harm();
  }

  // The attack is found before the model serves, and the status names the call.
  void expect_failed_revision(const std::string& model) const {
    const RealFront front(model);
    const auto now = front.await_phase("Failed");
    EXPECT_EQ(now["failure"]["class"], "Revision");
    EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
    EXPECT_EQ(now["failure"]["phase"], "Checking");
    EXPECT_EQ(now["failure"]["message"], kWriting);
    EXPECT_EQ(front.infer({1}).status, 503);
    expect_no_harm();
  }

  // The attack makes the request fail, and nothing else.
  static void expect_failed_request(const RealFront& front, int status) {
    const auto answer = front.infer({1});
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
    EXPECT_EQ(front.status()["engine"]["restarts"], 0);
  }
};

// Files.

TEST_F(Attack, ReadingAFileFails) {
  for (const std::string& file : {victim(), std::string("/etc/passwd"), std::string("/proc/self/environ")}) {
    const RealFront front(on_one(std::format("x = torch.from_file('{}', False, 16, dtype=0).to(6)", file)));
    front.await_phase("Ready");
    expect_failed_request(front, 500);
  }
}

TEST_F(Attack, OverwritingAFileThroughAMappingEndsTheEngine) {
  expect_ended_for_writing(
      on_one(std::format("x = torch.from_file('{}', True, 16, dtype=0).fill_(0).to(6)", victim())));
}

// LibTorch computes what depends on no input once for all, so that every request ends the engine.
TEST_F(Attack, GrowingAFileThroughAMappingEndsTheEngine) {
  const RealFront front(
      on_one(std::format("x = torch.from_file('{}', True, 1000000, dtype=0).to(6)", victim())));
  front.await_phase("Ready");
  EXPECT_EQ(front.infer({1}).status, 503);
  const auto now = front.await([](const json& s) { return s["engine"]["restarts"] == 1; }, "started again");
  EXPECT_EQ(now["engine"]["lastExit"], kWriting);
  expect_no_harm();
}

TEST_F(Attack, SavingATensorEndsTheEngine) {
  expect_ended_for_writing(on_one(std::format("torch.save(x, '{}')", new_file())));
}

// At load.

TEST_F(Attack, WritingAFileWhileBeingLoadedFailsTheRevision) {
  expect_failed_revision(on_load(std::format("torch.save(torch.ones([2]), '{}')", new_file())));
}

TEST_F(Attack, ReadingAFileWhileBeingLoadedFailsTheRevisionWithoutAWordOfIt) {
  const RealFront front(on_load(std::format("print(torch.from_file('{}', False, 16, dtype=0))", victim())));
  const auto now = front.await_phase("Failed");
  EXPECT_EQ(now["failure"]["reason"], "LoadFailed");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr("Permission denied"));
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), Not(HasSubstr(folder_.string())));
}

TEST_F(Attack, ALoopWhileBeingLoadedIsEndedByTheFrontsClock) {
  const RealFront front(on_load("while True:\n        self.training = True"),
                        {.check = std::chrono::seconds(3)});
  const auto now = front.await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "CheckTimeout");
}

TEST_F(Attack, ParsingWithoutEndFailsTheRevision) {
  const RealFront front(deeply_nested());
  const auto now = front.await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "CrashedInCheck");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr("Segmentation fault"));
}

// What a computation may do, done without end.

TEST_F(Attack, AWeightThatClaimsMoreThanTheFileHoldsFailsTheRevision) {
  // 2.4 GB and 240 GB, in files of two kilobytes; a few bytes more than there are; and what overflows.
  for (const std::int64_t claimed : {600'000'000L, 60'000'000'000L, 64L, -1L, INT64_MAX}) {
    const RealFront front(with_a_weight_of(claimed, claimed));
    const auto now = front.await_phase("Failed");
    EXPECT_EQ(now["failure"]["class"], "Revision") << claimed;
    EXPECT_EQ(now["failure"]["reason"], "LoadFailed") << now["failure"];
    EXPECT_EQ(front.infer({1}).status, 503);
  }
  const RealFront front(with_a_weight_of(4, 60'000'000'000));
  EXPECT_EQ(front.await_phase("Failed")["failure"]["reason"], "LoadFailed")
      << "a shape that its storage cannot fill";
  const RealFront good(with_a_weight_of(4, 4));
  good.await_phase("Ready");
  EXPECT_THAT(numbers(good.infer({1})), ElementsAre(2));
}

TEST_F(Attack, ALoopInARequestIsEndedByTheFrontsClock) {
  const RealFront front(on_one("while bool(x[0, 0] == 1):\n            x = x * 1"),
                        {.request = std::chrono::seconds(2)});
  front.await_phase("Ready");
  EXPECT_EQ(front.infer({1}).status, 503);
  const auto now = front.await(
      [](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "started again");
  EXPECT_EQ(now["engine"]["lastExit"], "an inference did not end within 2 s");
  EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
}

TEST_F(Attack, AskingForFourTerabytesFailsTheRequest) {
  const RealFront front(on_one("x = torch.zeros([1024, 1024, 1024, 1024])"), {.data_bytes = 2ULL << 30});
  front.await_phase("Ready");
  expect_failed_request(front, 503);
}

TEST_F(Attack, HoldingMoreThanItsMemoryFailsTheRequest) {
  const RealFront front(on_one("kept = [x]\n"
                               "        for i in range(1000):\n"
                               "            kept.append(torch.ones([16, 1024, 1024]) * i)\n"
                               "        x = kept[-1][0, :1, :1]"),
                        {.data_bytes = 512ULL << 20});
  front.await_phase("Ready");
  expect_failed_request(front, 503);
}

// What it answers.

TEST_F(Attack, AnOutputThatClaimsFourTerabytesFailsTheRequest) {
  const RealFront front(
      model_file("def forward(self, x):\n"
                 "    if bool(x[0, 0] == 1):\n"
                 "        return x[0, 0].expand([1000000, 1000000])\n"
                 "    return x * 2\n"));
  front.await_phase("Ready");
  expect_failed_request(front, 500);
}

TEST_F(Attack, WhatAModelKeepsDoesNotBecomeTheNextCallersInput) {
  torch::jit::Module module("test");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_attribute("kept", c10::ListType::create(c10::TensorType::get()), c10::List<at::Tensor>());
  module.define(
      "def forward(self, x):\n"
      "    self.kept.append(x)\n"
      "    return self.kept[0].clone()\n");
  std::ostringstream out;
  module.save(out);
  const RealFront front(out.str());
  front.await_phase("Ready");
  // Were its input the shared memory itself, the first caller's tensor would by now hold the second's
  // numbers.
  EXPECT_THAT(numbers(front.infer({5})), ElementsAre(5));
  EXPECT_THAT(numbers(front.infer({7})), ElementsAre(5));
}

TEST_F(Attack, WritingIntoItsInputChangesNobodyElses) {
  const RealFront front(model_file("def forward(self, x):\n    y = x * 2\n    x.fill_(9)\n    return y\n"));
  front.await_phase("Ready");
  EXPECT_THAT(numbers(front.infer({3, 4})), ElementsAre(6, 8));
  EXPECT_THAT(numbers(front.infer({3, 4})), ElementsAre(6, 8));
}

}  // namespace
}  // namespace pilotlight::engine
