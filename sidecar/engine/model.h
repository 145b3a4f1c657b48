#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/engine/run_error.h"
#include "sidecar/engine/signature.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// What forward returned, flattened.
struct Outputs {
  std::vector<at::Tensor> tensors;
  std::vector<std::string> names;  // a dictionary's keys; else empty
};

// A TorchScript module, loaded and in evaluation mode. Not thread-safe: one inference at a time.
class Model {
 public:
  // Reads the archive from memory; nothing of it is needed afterwards. Faults: `LoadFailed`,
  // `UnsupportedSignature`, `OutOfMemory`.
  static Outcome<Model> load(std::span<const std::byte> archive);

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  [[nodiscard]] const Signature& signature() const { return signature_; }

  // The same module with another form of its graph; nullopt if it cannot be given that. It may share weights
  // with this one, and answer differently only by a fault of LibTorch's: so it must pass the same proof.
  [[nodiscard]] std::optional<Model> with_graph(wire::Graph graph) const;

  // Runs forward with inputs by position. The model may keep what it was given.
  std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs);

 private:
  struct Module;
  Model(std::unique_ptr<Module> module, Signature signature);

  std::unique_ptr<Module> module_;
  Signature signature_;
};

}  // namespace pilotlight::engine
