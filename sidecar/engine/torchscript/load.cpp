#include "sidecar/engine/torchscript/load.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sidecar/engine/torchscript/forward.h"
#include "sidecar/engine/torchscript/storages.h"

namespace pilotlight::engine::torchscript {
namespace {

// LibTorch reads the archive through this, so it never sees a path.
class MemoryReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MemoryReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t size() const override { return bytes_.size(); }
  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    if (position >= bytes_.size()) return 0;
    const auto part = bytes_.subspan(position, std::min(count, bytes_.size() - position));
    std::memcpy(buffer, part.data(), part.size());
    return part.size();
  }

 private:
  std::span<const std::byte> bytes_;
};

std::unexpected<Fault> load_failed(const RunError& error) {
  if (error.kind == RunError::Kind::kOutOfMemory) {
    return refuse("OutOfMemory", "memory ran out while the model was being loaded",
                  "Give the pod more memory (template: resources.limits.memory).");
  }
  std::string remedy = "Check that the file is whole, and export it with the torch release of this runtime.";
  if (error.reason.starts_with("Unknown builtin op") || error.reason.starts_with("Could not find schema")) {
    remedy = "The model uses an operator that this runtime lacks: export it without custom operators.";
  }
  return refuse("LoadFailed", "LibTorch " TORCH_VERSION " cannot load the model: " + error.reason,
                std::move(remedy));
}

std::string kind_of(const c10::IValue& value) {
  return value.type()->repr_str();
}

// The tensors of what forward returned; an error names what is none.
std::expected<Outputs, std::string> flatten(const c10::IValue& value) {
  Outputs outputs;
  if (value.isTensor()) {
    outputs.tensors.push_back(value.toTensor());
  } else if (value.isTensorList()) {
    outputs.tensors = value.toTensorVector();
  } else if (value.isTuple() || value.isList()) {
    const auto elements = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
    for (const c10::IValue& each : elements) {
      if (!each.isTensor()) return std::unexpected(kind_of(value));
      outputs.tensors.push_back(each.toTensor());
    }
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      if (!entry.key().isString() || !entry.value().isTensor()) return std::unexpected(kind_of(value));
      outputs.names.push_back(entry.key().toStringRef());
      outputs.tensors.push_back(entry.value().toTensor());
    }
  } else {
    return std::unexpected(kind_of(value));
  }
  if (std::ranges::any_of(outputs.tensors, [](const at::Tensor& each) { return !each.defined(); })) {
    return std::unexpected("an undefined tensor");
  }
  return outputs;
}

class Script final : public Backend {
 public:
  Script(torch::jit::Module module, Signature signature)
      : module_(std::move(module)), signature_(std::move(signature)) {}

  [[nodiscard]] const Signature& signature() const override { return signature_; }

  [[nodiscard]] std::unique_ptr<Backend> with_graph(wire::Graph graph) override {
    auto module = guarded([this, graph] {
      const torch::NoGradGuard no_gradients;
      auto frozen = torch::jit::freeze(module_);
      if (graph == wire::Graph::kOptimized) frozen = torch::jit::optimize_for_inference(frozen);
      return frozen;
    });
    if (!module) return nullptr;
    return std::make_unique<Script>(*std::move(module), signature_);
  }

  std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs) override {
    auto answer = guarded([this, &inputs] {
      const c10::InferenceMode no_gradients;
      return module_.forward({inputs.begin(), inputs.end()});
    });
    if (!answer) return std::unexpected(std::move(answer).error());
    auto outputs = flatten(*answer);
    if (!outputs) {
      return std::unexpected(RunError{
          .kind = RunError::Kind::kNoTensors,
          .reason = "forward returned " + one_line(outputs.error()) + ", which is not made of tensors"});
    }
    return *std::move(outputs);
  }

 private:
  torch::jit::Module module_;
  Signature signature_;
};

}  // namespace

Outcome<std::unique_ptr<Backend>> load(std::span<const std::byte> archive, at::Device place) {
  auto module = guarded([archive, place] {
    const torch::NoGradGuard no_gradients;
    // Debug files map errors to source lines, which must not be shown anyway.
    auto loaded = torch::jit::load(std::make_shared<MemoryReader>(archive), place, false);
    loaded.eval();
    return loaded;
  });
  if (!module) return load_failed(module.error());
  auto storages = guarded([&module] { return check_storages(*module); });
  if (!storages) return load_failed(storages.error());
  if (!*storages) return std::unexpected(std::move(*storages).error());
  const auto forward = module->find_method("forward");
  if (!forward) {
    return refuse("UnsupportedSignature", "the module has no forward method",
                  "Export a module that has one.");
  }
  auto signature = read_signature(forward->function().getSchema());
  if (!signature) return std::unexpected(std::move(signature).error());
  return std::make_unique<Script>(*std::move(module), *std::move(signature));
}

}  // namespace pilotlight::engine::torchscript
