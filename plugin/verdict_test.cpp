#include "plugin/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace pilotlight::plugin {
namespace {

using front::Phase;
using front::Status;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Status Proven() {
  Status status{.phase = Phase::kReady, .digest = "sha256:9f"};
  status.proof = json::parse(R"({
    "level": "Answers", "format": "TorchScript", "digest": "sha256:9f", "cases": 3,
    "tolerance": {"absolute": 1e-4, "relative": 1e-4, "source": "bundle"},
    "worstError": {"case": "batch-8", "tensor": "logits", "index": [3, 7], "expected": 1.25, "actual": 1.5,
                   "error": 1e-7, "allowed": 2.5e-4},
    "warmup": [{"batchSize": 1, "firstMs": 12.5, "warmMs": 0.5}, {"batchSize": 8, "firstMs": 3, "warmMs": 2}],
    "runtime": {"torch": "2.6.0", "device": "cpu", "threads": 2, "graph": "frozen"},
    "exporter": {"torch": "2.5.1", "python": "3.13.5"},
    "drift": [{"component": "torch", "exporter": "2.5.1", "runtime": "2.6.0"},
              {"component": "cpu", "exporter": "AVX512", "runtime": "AVX2"}],
    "warnings": ["exported by a newer torch"]})");
  wire::TensorSpec image{.name = "image"};
  image.datatype = wire::Datatype::kFp32;
  image.shape = {{-1, 8, 8}};
  status.contract = wire::Contract{.inputs = {image}, .outputs = {wire::TensorSpec{.name = "output_0"}}};
  status.timings = {.fetch = 0.1, .check = 0.62, .load = 0.45, .warm = 0.03, .total = 1.31};
  return status;
}

Status With(Phase phase) {
  Status status{.phase = phase, .digest = "sha256:9f"};
  status.failure = wire::Failure{.failure_class = wire::FailureClass::kRevision,
                                 .reason = "GoldenMismatch",
                                 .phase = "Checking",
                                 .message = "case batch-1: y[0,1] is 4, expected 4.4",
                                 .remedy = "Export it again."};
  return status;
}

TEST(Verdict, FollowsThePhase) {
  EXPECT_EQ(verdict_of(Proven()), Verdict::kProven);
  EXPECT_EQ(verdict_of(With(Phase::kFailed)), Verdict::kRefused);
  EXPECT_EQ(verdict_of(With(Phase::kRetrying)), Verdict::kUndecided);
}

TEST(Verdict, TextOfAProvenModelSaysHowWell) {
  const auto text = verdict_text(Proven(), "digits.tar");
  EXPECT_THAT(text, StartsWith("PROVEN  digits.tar\n"));
  EXPECT_THAT(text,
              HasSubstr("3 golden cases; worst error 1e-07 of 0.00025 allowed (case batch-8, logits[3,7]: "
                        "expected 1.25, got 1.5)"));
  EXPECT_THAT(text, HasSubstr("absolute 0.0001, relative 0.0001 (from: bundle)"));
  EXPECT_THAT(text, HasSubstr("batch 1: 12.5 ms first, 0.5 ms warm; batch 8: 3 ms first, 2 ms warm"));
  EXPECT_THAT(text, HasSubstr("image FP32 [-1,8,8]"));
  EXPECT_THAT(text, HasSubstr("output_0 (any datatype) (any shape)"));
  EXPECT_THAT(text, HasSubstr("torch 2.5.1, Python 3.13.5"));
  EXPECT_THAT(text, HasSubstr("drift        torch 2.5.1 there, 2.6.0 here; cpu AVX512 there, AVX2 here"));
  EXPECT_THAT(text, HasSubstr("exported by a newer torch"));
  EXPECT_THAT(text, Not(HasSubstr("reason")));
}

TEST(Verdict, TextOfALowerLevelHasNoAnswers) {
  auto status = Proven();
  for (const char* field : {"tolerance", "worstError", "exporter"}) status.proof.erase(field);
  status.proof["level"] = "Loaded";
  status.proof["warnings"] = json::array();
  const auto text = verdict_text(status, "m.pt");
  EXPECT_THAT(text, HasSubstr("Loaded"));
  EXPECT_THAT(text, Not(HasSubstr("answers")));
  EXPECT_THAT(text, Not(HasSubstr("exported by")));
}

TEST(Verdict, TextOfASignedModelSaysByWhom) {
  auto status = Proven();
  EXPECT_THAT(verdict_text(status, "m.tar"), Not(HasSubstr("signed by")));
  status.proof["signature"] = {{"keyId", "sha256:aa"}};
  EXPECT_THAT(verdict_text(status, "m.tar"), HasSubstr("signed by    sha256:aa\n"));
  status.proof["signature"]["subject"] = "digits.tar";
  EXPECT_THAT(verdict_text(status, "m.tar"), HasSubstr("signed by    sha256:aa, as digits.tar\n"));
}

TEST(Verdict, NanOfAProofIsNull) {
  auto status = Proven();
  status.proof["worstError"]["expected"] = nullptr;
  EXPECT_THAT(verdict_text(status, "m.tar"), HasSubstr("expected NaN"));
}

TEST(Verdict, AProofWithoutAPartIsAnError) {
  for (const char* part : {"runtime", "warmup", "warnings"}) {
    auto status = Proven();
    status.proof.erase(part);
    EXPECT_THROW(verdict_text(status, "m.tar"), json::exception) << part;
  }
}

TEST(Verdict, TextOfARefusalSaysWhyAndWhatToDo) {
  const auto text = verdict_text(With(Phase::kFailed), "m.tar");
  EXPECT_THAT(text, StartsWith("REFUSED  m.tar\n"));
  EXPECT_THAT(text, HasSubstr("GoldenMismatch"));
  EXPECT_THAT(text, HasSubstr("y[0,1] is 4, expected 4.4"));
  EXPECT_THAT(text, HasSubstr("Export it again."));
}

TEST(Verdict, DocumentHasWhatThereIs) {
  const auto proven = verdict_document(Proven(), "digits.tar");
  EXPECT_EQ(proven["verdict"], "Proven");
  EXPECT_EQ(proven["model"], "digits.tar");
  EXPECT_EQ(proven["proof"]["level"], "Answers");
  EXPECT_EQ(proven["contract"]["inputs"][0]["name"], "image");
  EXPECT_FALSE(proven.contains("failure"));
  const auto refused = verdict_document(With(Phase::kFailed), "m.tar");
  EXPECT_EQ(refused["verdict"], "Refused");
  EXPECT_EQ(refused["failure"]["reason"], "GoldenMismatch");
  EXPECT_FALSE(refused.contains("proof"));
}

}  // namespace
}  // namespace pilotlight::plugin
