#include "sidecar/wire/load_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sidecar/wire/failure.h"

namespace pilotlight::wire {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(LoadRequest, ReadsWhatItWrites) {
  LoadRequest request{.digest = "sha256:9f",
                      .format = ModelFormat::kAotInductor,
                      .pinned = true,
                      .contract = Contract{},
                      .absolute_tolerance = 1e-3,
                      .relative_tolerance = 0.0,
                      .minimum_level = ProofLevel::kAnswers,
                      .non_finite = NonFinite::kRefuse,
                      .warmup_batch_sizes = {1, 8},
                      .warmup_timeout_seconds = 1.5,
                      .threads = 2};
  const TensorSpec spec{.name = "x", .datatype = Datatype::kInt64, .shape = {{-1}}, .labels = {}};
  request.contract->inputs = {spec};
  request.contract->outputs = {spec};
  const auto read = load_request_from_json(to_json(request));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, request);
}

TEST(LoadRequest, TakesTheFieldsOfTheConfigurationAsTheyAre) {
  const auto read = load_request_from_json(json::parse(R"({
    "digest": "sha256:9f", "unknown": {"to": "this release"}, "model": {"uri": "file:///m", "format": "ONNX"},
    "contract": {"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
                 "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]},
    "validation": {"absoluteTolerance": 1e-4, "relativeTolerance": 2e-4, "minimumLevel": "Contract",
                   "timeoutSeconds": 300},
    "warmup": {"batchSizes": [1, 8], "timeoutSeconds": 30},
    "runtime": {"threads": 2}})"));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->format, ModelFormat::kOnnx);
  EXPECT_EQ(read->contract->inputs[0].name, "image");
  EXPECT_EQ(read->absolute_tolerance, 1e-4);
  EXPECT_EQ(read->relative_tolerance, 2e-4);
  EXPECT_EQ(read->minimum_level, ProofLevel::kContract);
  EXPECT_EQ(read->warmup_batch_sizes, (std::vector<std::int64_t>{1, 8}));
  EXPECT_EQ(read->warmup_timeout_seconds, 30);
  EXPECT_EQ(read->threads, 2);
}

TEST(LoadRequest, HasADefaultForEverything) {
  const auto read = load_request_from_json(json::object());
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, LoadRequest{});
}

TEST(LoadRequest, NamesTheFieldThatIsWrong) {
  const auto error = [](const char* text) {
    const auto read = load_request_from_json(json::parse(text));
    return read ? "" : read.error();
  };
  EXPECT_THAT(error(R"({"model": {"format": "Pickle"}})"),
              HasSubstr("model.format: must be TorchScript, ONNX or AOTInductor"));
  EXPECT_THAT(error(R"({"validation": {"absoluteTolerance": -1}})"),
              HasSubstr("validation.absoluteTolerance"));
  EXPECT_THAT(error(R"({"validation": {"minimumLevel": "Proven"}})"),
              HasSubstr("Loaded, Contract or Answers"));
  EXPECT_THAT(error(R"({"validation": {"nonFinite": 1}})"), HasSubstr("validation.nonFinite"));
  EXPECT_THAT(error(R"({"warmup": {"batchSizes": [0]}})"), HasSubstr("warmup.batchSizes"));
  EXPECT_THAT(error(R"({"warmup": {"timeoutSeconds": "5m"}})"), HasSubstr("warmup.timeoutSeconds"));
  EXPECT_THAT(error(R"({"runtime": {"threads": 1.5}})"), HasSubstr("runtime.threads"));
  EXPECT_THAT(error(R"({"contract": {"inputs": []}})"), HasSubstr("contract: inputs"));
  EXPECT_THAT(error(R"([])"), HasSubstr("object"));
}

TEST(Failure, ReadsWhatItWritesAndTakesUnknownClassesForTheWorlds) {
  const Failure failure{.failure_class = FailureClass::kPod,
                        .reason = "GoldenMismatch",
                        .phase = "Checking",
                        .message = "m",
                        .remedy = "r"};
  EXPECT_EQ(failure_from_json(to_json(failure)), failure);
  EXPECT_EQ(failure_from_json(json{{"class", "Moon"}}).failure_class, FailureClass::kWorld);
}

}  // namespace
}  // namespace pilotlight::wire
