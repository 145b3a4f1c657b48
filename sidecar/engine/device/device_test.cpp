#include "sidecar/engine/device/device.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <tuple>

#include "sidecar/engine/device/run.h"
#include "sidecar/engine/model.h"
#include "sidecar/engine/prover.h"
#include "sidecar/engine/testing/models.h"
#include "sidecar/engine/testing/onnx.h"
#include "sidecar/engine/testing/scripted_device.h"

namespace pilotlight::engine {
namespace {

constexpr const char* kDoubles = "def forward(self, x):\n    return x * 2\n";

class DeviceTest : public ::testing::Test {
 protected:
  Model load(const std::string& methods = kDoubles) {
    file_ = testing::model_file(methods);
    return Model::load(testing::bytes(file_), ModelFormat::kTorchScript, {.device = &device_}).value();
  }

  testing::ScriptedDevice device_;
  std::string file_;
};

TEST_F(DeviceTest, InputsGoThereAndOutputsComeBack) {
  auto model = load();
  EXPECT_EQ(model.device(), &device_);
  const auto outputs = model.run({torch::ones({2})});
  ASSERT_TRUE(outputs);
  EXPECT_EQ(outputs->tensors.at(0).sum().item<float>(), 4);
  EXPECT_EQ(device_.brought, 1);
  EXPECT_EQ(device_.fetched, 1);
}

TEST_F(DeviceTest, WithoutOneNothingIsCopied) {
  const auto file = testing::model_file("def forward(self, x):\n    return x\n");
  auto model = Model::load(testing::bytes(file)).value();
  EXPECT_EQ(model.device(), nullptr);
  const at::Tensor input = torch::ones({2});
  EXPECT_EQ(model.run({input})->tensors.at(0).data_ptr(), input.data_ptr());
}

TEST_F(DeviceTest, AnotherFormOfTheGraphComputesThereToo) {
  auto model = load();
  auto frozen = model.with_graph(wire::Graph::kFrozen);
  ASSERT_TRUE(frozen);
  EXPECT_EQ(frozen->device(), &device_);
}

TEST_F(DeviceTest, OnnxStaysOnTheProcessor) {
  const auto file = testing::onnx::scaling(2, 3);
  auto model = Model::load(testing::bytes(file), ModelFormat::kOnnx, {.device = &device_}).value();
  EXPECT_EQ(model.device(), nullptr);
}

TEST_F(DeviceTest, AnErrorOfTheModelsIsOne) {
  auto model = load("def forward(self, x):\n    return x.view([7, 7])\n");
  const auto outputs = model.run({torch::ones({2})});
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, RunError::Kind::kThrew);
  EXPECT_EQ(device_.freed, 0);
}

TEST_F(DeviceTest, AnErrorThatShowsLaterBelongsToItsRun) {
  device_.fails_at = 1;
  device_.breaks = false;
  auto model = load();
  EXPECT_EQ(model.run({torch::ones({2})}).error().kind, RunError::Kind::kThrew);
  EXPECT_TRUE(model.run({torch::ones({2})}));
}

TEST_F(DeviceTest, ADeviceThatFailedIsNotUsedAgain) {
  device_.fails_at = 2;
  auto model = load();
  EXPECT_TRUE(model.run({torch::ones({2})}));
  try {
    std::ignore = model.run({torch::ones({2})});
    FAIL() << "answered";
  } catch (const DeviceFailed& failed) {
    EXPECT_STREQ(failed.what(), "scripted:0 Model T: CUDA error: device-side assert triggered");
  }
  EXPECT_EQ(device_.brought, 2);
}

// Whatever was asked of the model, nobody on the way may take it for an error of the model's.
TEST_F(DeviceTest, AFailureGoesThroughAllWhoCatch) {
  device_.fails_at = 1;
  auto model = load();
  EXPECT_THROW(std::ignore = guarded([&] { return model.run({torch::ones({2})}); }), DeviceFailed);
}

TEST_F(DeviceTest, AFailureWhileLoadingIsNotTheModels) {
  device_.broken = true;
  EXPECT_THROW(std::ignore = Model::load({}, ModelFormat::kTorchScript, {.device = &device_}), DeviceFailed);
  device_.broken = false;
  EXPECT_EQ(Model::load({}, ModelFormat::kTorchScript, {.device = &device_}).error().reason, "LoadFailed");
}

TEST_F(DeviceTest, WhereItsMemoryRanOutItIsTriedOnceMore) {
  device_.too_large = 1;
  auto model = load();
  EXPECT_TRUE(model.run({torch::ones({2})}));
  EXPECT_EQ(device_.freed, 1);
  EXPECT_EQ(device_.brought, 2);
}

TEST_F(DeviceTest, AndNotTwice) {
  device_.too_large = 9;
  auto model = load();
  const auto outputs = model.run({torch::ones({2})});
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, RunError::Kind::kOutOfMemory);
  EXPECT_EQ(device_.brought, 2);
}

TEST_F(DeviceTest, TheProofNamesItAndItsMemory) {
  const auto bundle =
      testing::write_bundle({.model = testing::model_file(kDoubles),
                             .contract = "  inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"
                                         "  outputs: [{name: y, datatype: FP32, shape: [-1, 2]}]\n"});
  const wire::LoadRequest request;
  const auto proven = prove({.file = testing::bytes(bundle),
                             .request = request,
                             .for_traffic = true,
                             .clock = [] { return std::chrono::steady_clock::now(); },
                             .enter_phase = [](std::string_view) {},
                             .try_graph = [](wire::Graph, std::optional<double>) {},
                             .device = &device_});
  ASSERT_TRUE(proven) << proven.error().message;
  const auto runtime = to_json(proven->proof).at("runtime");
  EXPECT_EQ(runtime.at("device"), "scripted:0 Model T");
  EXPECT_EQ(runtime.at("deviceMemory").dump(), R"({"freeBytes":700,"limitBytes":900,"totalBytes":1000})");
  EXPECT_GT(device_.brought, 0);
}

// What LibTorch says, inside TorchScript without its exceptions' types.
TEST(RunErrorOnADevice, MemoryIsToldByItsWords) {
  for (const char* words :
       {"CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB",
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"}) {
    EXPECT_EQ(run_error(std::runtime_error(words)).kind, RunError::Kind::kOutOfMemory) << words;
  }
  EXPECT_EQ(run_error(std::runtime_error("CUDA error: an illegal memory access was encountered")).kind,
            RunError::Kind::kThrew);
}

}  // namespace
}  // namespace pilotlight::engine
