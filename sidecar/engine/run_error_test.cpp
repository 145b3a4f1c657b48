#include "sidecar/engine/run_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <new>
#include <stdexcept>

#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(OneLine, KeepsTheReasonAndDropsPathsAndSource) {
  EXPECT_EQ(one_line("shapes differ\n  File \"code/x.py\", line 3\n    secret()"), "shapes differ");
  EXPECT_EQ(one_line("\n\n  Unknown builtin op: a::b.\nsource"), "Unknown builtin op: a::b.");
  EXPECT_EQ(one_line("[enforce fail at inline_container.cc:197] . version 99 is too new"),
            "version 99 is too new");
  EXPECT_EQ(one_line("cannot open /usr/lib/x86_64/lib.so: no"), "cannot open …: no");
  EXPECT_EQ(one_line("a\tb\x01"), "a b ");
  EXPECT_EQ(one_line(""), "no reason given");
  EXPECT_LE(one_line(std::string(10'000, 'x')).size(), 240U);
  EXPECT_EQ(one_line("The following operation failed in the TorchScript interpreter.\n"
                     "Traceback of TorchScript (most recent call last):\n  secret source\n"
                     "RuntimeError: mat1 and mat2 shapes cannot be multiplied\n"),
            "mat1 and mat2 shapes cannot be multiplied");
  EXPECT_EQ(one_line("The following operation failed in the TorchScript interpreter.\n secret"),
            "the model failed");
}

TEST(RunErrorOf, ModelsThatThrowNamesTheirReasonWithoutTheirSource) {
  auto model = testing::model_of("def forward(self, secret_name):\n    return secret_name.view([7, 7])\n");
  const auto answer = model.run({torch::ones({2})});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, RunError::Kind::kThrew);
  EXPECT_THAT(answer.error().reason, Not(HasSubstr("secret_name")));
  EXPECT_THAT(answer.error().reason, Not(HasSubstr("Traceback")));
}

TEST(RunErrorOf, MemoryIsNotTheModelsFault) {
  const auto bad_alloc = guarded([]() -> int { throw std::bad_alloc(); });
  EXPECT_EQ(bad_alloc.error().kind, RunError::Kind::kOutOfMemory);
  const auto other = guarded([]() -> int { throw std::runtime_error("no"); });
  EXPECT_EQ(other.error().kind, RunError::Kind::kThrew);
  const auto odd = guarded([]() -> int { throw 7; });  // NOLINT: a model's library may throw anything
  EXPECT_EQ(odd.error().kind, RunError::Kind::kThrew);
}

TEST(RunErrorOf, AnAllocationThatFailsInsideTheInterpreterIsOutOfMemory) {
  auto model = testing::model_of("def forward(self, x):\n    return torch.zeros([1000000, 1000000, 100])\n");
  const auto answer = model.run({torch::ones({2})});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, RunError::Kind::kOutOfMemory) << answer.error().reason;
}

TEST(RunErrorOf, AModelThatOnlySaysItRanOutOfMemoryIsNotBelieved) {
  auto model =
      testing::model_of("def forward(self, x):\n    assert 1 == 2, 'std::bad_alloc'\n    return x\n");
  const auto answer = model.run({torch::ones({2})});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, RunError::Kind::kThrew);
}

}  // namespace
}  // namespace pilotlight::engine
