#include "sidecar/engine/aoti/load.h"

#include <ATen/DynamicLibrary.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torch/torch.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/engine/aoti/complaints.h"
#include "sidecar/engine/aoti/processor.h"
#include "sidecar/engine/bundle/compiled_package.h"
#include "sidecar/engine/bundle/elf_file.h"
#include "sidecar/engine/sandbox/library.h"
#include "sidecar/engine/tensors.h"

namespace pilotlight::engine::aoti {
namespace {

// LibTorch's runner of one loaded library.
class Runner : public torch::inductor::AOTIModelContainerRunner {
 public:
  explicit Runner(const std::string& path) : AOTIModelContainerRunner(path, 1, "cpu", "") {
    // It would be what interprets operators that are not compiled; LibTorch leaves it to chance.
    proxy_executor_handle_ = nullptr;
  }

  [[nodiscard]] std::size_t inputs() const {
    const auto count = reinterpret_cast<decltype(&AOTInductorModelContainerGetNumInputs)>(
        model_so_->sym("AOTInductorModelContainerGetNumInputs"));
    std::size_t result = 0;
    AOTI_RUNTIME_ERROR_CODE_CHECK(count(container_handle_, &result));
    return result;
  }

  [[nodiscard]] std::size_t outputs() const {
    std::size_t result = 0;
    AOTI_RUNTIME_ERROR_CODE_CHECK(get_num_outputs_func_(container_handle_, &result));
    return result;
  }
};

// Calls `work`; what it throws becomes an error with the reason that was written to std::cerr.
template <class Work>
auto guarded_call(const Work& work) {
  Complaints complaints;
  auto result = guarded(work);
  if (result) return result;
  if (const std::string reason = complaints.reason(); !reason.empty()) {
    result = std::unexpected(run_error(std::runtime_error(reason)));
  }
  return result;
}

std::unexpected<Fault> load_failed(const std::string& why) {
  return refuse("LoadFailed", "the compiled model cannot be loaded: " + why,
                "Export it again with pilotlight_export, format=\"aotinductor\", and torch " TORCH_VERSION
                ".");
}

class Compiled final : public Backend {
 public:
  Compiled(std::vector<CompiledInput> inputs, std::unique_ptr<Runner> runner)
      : inputs_(std::move(inputs)), runner_(std::move(runner)) {
    for (const CompiledInput& input : inputs_) signature_.required.push_back(input.name);
    signature_.most = inputs_.size();
    signature_.outputs = runner_->outputs();
  }

  [[nodiscard]] const Signature& signature() const override { return signature_; }

  std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs) override {
    if (auto checked = check(inputs); !checked) {
      return std::unexpected(RunError{.kind = RunError::Kind::kThrew, .reason = std::move(checked).error()});
    }
    return guarded_call([&] {
      const c10::InferenceMode no_gradients;
      std::vector<at::Tensor> whole;  // strides are compiled in as well
      for (const at::Tensor& each : inputs) whole.push_back(each.contiguous());
      Outputs outputs{.tensors = runner_->run(whole), .names = {}};
      // What the library or an input still holds may change.
      for (at::Tensor& each : outputs.tensors) {
        if (each.defined() && (!each.is_contiguous() || each.storage().use_count() > 1)) each = each.clone();
      }
      return outputs;
    });
  }

 private:
  [[nodiscard]] std::expected<void, std::string> check(const std::vector<at::Tensor>& inputs) const {
    std::vector<Given> given;
    for (const at::Tensor& each : inputs) {
      const auto datatype = datatype_of(each.scalar_type());
      if (!datatype) return std::unexpected("an input is of a kind that no request can carry");
      given.push_back({.datatype = *datatype, .shape = {each.sizes().data(), each.sizes().size()}});
    }
    return check_inputs(inputs_, given);
  }

  std::vector<CompiledInput> inputs_;
  std::unique_ptr<Runner> runner_;
  Signature signature_;
};

// Puts the package's library where it can be loaded from.
Outcome<void> place(std::span<const std::byte> file, const CompiledPackage& package, int library) {
  std::expected<ElfFile, std::string> elf = std::unexpected("cannot be unpacked");
  const bool written = sandbox::write_library(library, package.library_bytes, [&](std::span<std::byte> to) {
    if (unpack_library(file, package, to)) elf = read_elf(to);
    return elf.has_value();
  });
  if (!elf) return load_failed("its library " + elf.error());
  if (!written) return load_failed("there is no room for its library");
  if (elf->for_this_processor) return {};
  return refuse(
      "UnsupportedProcessor", "the model was compiled for processors of another architecture",
      "Choose nodes of that architecture (template.nodeSelector), or export the model on one of this.");
}

}  // namespace

Outcome<std::unique_ptr<Backend>> load(std::span<const std::byte> file, int library) {
  auto package = read_package(file);
  if (!package) return std::unexpected(std::move(package).error());
  if (auto checked = check_instructions(package->instructions); !checked) {
    return std::unexpected(std::move(checked).error());
  }
  if (auto placed = place(file, *package, library); !placed)
    return std::unexpected(std::move(placed).error());
  std::size_t inputs = 0;
  auto runner = guarded_call([&] {
    const sandbox::LibraryAccess access(library);
    auto loaded = std::make_unique<Runner>(sandbox::library_name(library));
    inputs = loaded->inputs();
    return loaded;
  });
  if (!runner && runner.error().kind == RunError::Kind::kOutOfMemory) {
    return refuse("OutOfMemory", "memory ran out while the model was being loaded",
                  "Give the pod more memory (template: resources.limits.memory).");
  }
  if (!runner) return load_failed(runner.error().reason);
  if (inputs != package->inputs.size()) {
    return load_failed("its library takes " + std::to_string(inputs) + " inputs, its metadata lists " +
                       std::to_string(package->inputs.size()));
  }
  return std::make_unique<Compiled>(std::move(package->inputs), *std::move(runner));
}

}  // namespace pilotlight::engine::aoti
