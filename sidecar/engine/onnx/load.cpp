#include "sidecar/engine/onnx/load.h"

#include <onnxruntime_cxx_api.h>
#include <onnxruntime_session_options_config_keys.h>
#include <torch/torch.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/engine/onnx/errors.h"
#include "sidecar/engine/onnx/runtime.h"
#include "sidecar/engine/onnx/signature.h"
#include "sidecar/engine/onnx/values.h"

namespace pilotlight::engine::onnx {
namespace {

enum class Form { kPlain, kOptimized };

std::expected<Ort::Session, RunError> open(std::span<const std::byte> file, Form form) {
  return guarded_call([&] {
    Ort::SessionOptions options;
    options.DisablePerSessionThreads();
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.SetGraphOptimizationLevel(form == Form::kPlain ? ORT_DISABLE_ALL : ORT_ENABLE_ALL);
    // Some bytes can be read as ONNX and as ONNX Runtime's own format, which has not been looked at.
    options.AddConfigEntry(kOrtSessionOptionsConfigLoadModelFormat, "ONNX");
    // Else weights lie in an arena that grows by powers of two.
    options.AddConfigEntry(kOrtSessionOptionsUseDeviceAllocatorForInitializers, "1");
    return Ort::Session(runtime(), file.data(), file.size(), options);
  });
}

std::unexpected<Fault> load_failed(const RunError& error) {
  if (error.kind == RunError::Kind::kOutOfMemory) {
    return refuse("OutOfMemory", "memory ran out while the model was being loaded",
                  "Give the pod more memory (template: resources.limits.memory).");
  }
  return refuse(
      "LoadFailed", "ONNX Runtime " + version() + " cannot load the model: " + error.reason,
      "Check the file with onnx.checker.check_model, and export it for an opset that this runtime has "
      "(opset_version=17).");
}

class Graph final : public Backend {
 public:
  Graph(std::span<const std::byte> file, Form form, Ort::Session session, Signature signature)
      : file_(file), form_(form), session_(std::move(session)), signature_(std::move(signature)) {
    const wire::Contract& declared = signature_.declared.value();
    for (const wire::TensorSpec& each : declared.inputs) inputs_.push_back(each.name.c_str());
    for (const wire::TensorSpec& each : declared.outputs) outputs_.push_back(each.name.c_str());
  }

  [[nodiscard]] const Signature& signature() const override { return signature_; }
  [[nodiscard]] std::unique_ptr<Backend> with_graph(wire::Graph graph) override {
    if (graph != wire::Graph::kOptimized || form_ != Form::kPlain) return nullptr;
    session_.reset();  // two at a time may be more than there is memory for
    auto session = open(file_, Form::kOptimized);
    if (!session) return nullptr;
    return std::make_unique<Graph>(file_, Form::kOptimized, *std::move(session), signature_);
  }

  std::expected<void, RunError> keep() override { return reopen(); }

  std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs) override {
    if (auto ready = reopen(); !ready) return std::unexpected(std::move(ready).error());
    return guarded_call([&] {
      if (inputs.size() != inputs_.size()) throw std::invalid_argument("the number of inputs is wrong");
      std::vector<at::Tensor> whole;  // until the run is over
      std::vector<Ort::Value> values;
      for (const at::Tensor& each : inputs) values.push_back(borrow(whole.emplace_back(each.contiguous())));
      Outputs outputs;
      for (Ort::Value& each : session_->Run(Ort::RunOptions(nullptr), inputs_.data(), values.data(),
                                            values.size(), outputs_.data(), outputs_.size())) {
        outputs.tensors.push_back(take(std::move(each)));
      }
      return outputs;
    });
  }

 private:
  // Nothing to do, but for the plain form after with_graph().
  std::expected<void, RunError> reopen() {
    if (session_) return {};
    auto session = open(file_, form_);
    if (!session) return std::unexpected(std::move(session).error());
    session_ = *std::move(session);
    return {};
  }

  std::span<const std::byte> file_;
  Form form_;
  std::optional<Ort::Session> session_;
  Signature signature_;
  std::vector<const char*> inputs_;  // names, in signature_
  std::vector<const char*> outputs_;
};

}  // namespace

Outcome<std::unique_ptr<Backend>> load(std::span<const std::byte> file) {
  auto session = open(file, Form::kPlain);
  if (!session) return load_failed(session.error());
  auto signature = read_signature(*session);
  if (!signature) return std::unexpected(std::move(signature).error());
  return std::make_unique<Graph>(file, Form::kPlain, *std::move(session), *std::move(signature));
}

}  // namespace pilotlight::engine::onnx
