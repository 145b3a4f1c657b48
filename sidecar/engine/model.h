#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sidecar/engine/backend.h"
#include "sidecar/engine/bundle/fault.h"
#include "sidecar/engine/bundle/format.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// A model of any format, loaded and in evaluation mode. Not thread-safe: one inference at a time.
class Model {
 public:
  // Reads the model from memory. `file` must stay until keep() has been called. Machine code is loaded from
  // `library` (sandbox::create_library), and without one refused. Faults: `LoadFailed`,
  // `UnsupportedSignature`, `UnsupportedFormat`, `UnsupportedProcessor`, `OutOfMemory`.
  static Outcome<Model> load(std::span<const std::byte> file, ModelFormat format = ModelFormat::kTorchScript,
                             int library = -1);

  [[nodiscard]] const Signature& signature() const { return backend_->signature(); }

  // The same model with another form of its graph; nullopt if it cannot be given that. It may share weights
  // with this one, and answer differently only by a fault of the runtime's: so it must pass the same proof.
  [[nodiscard]] std::optional<Model> with_graph(wire::Graph graph);

  // To be called on the form that is to serve, while `file` is still there.
  std::expected<void, RunError> keep() { return backend_->keep(); }

  // Runs the model with inputs by position. It may keep what it was given.
  std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs) {
    return backend_->run(inputs);
  }

 private:
  explicit Model(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  std::unique_ptr<Backend> backend_;
};

}  // namespace pilotlight::engine
