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
#include "sidecar/engine/device/device.h"
#include "sidecar/engine/device/run.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// A model of any format, loaded and in evaluation mode. Not thread-safe: one inference at a time.
class Model {
 public:
  // What some models take besides their file.
  struct Means {
    int library = -1;          // of sandbox::create_library: what machine code is loaded from; -1: none
    Device* device = nullptr;  // what to compute on, if the format can; it must outlive the model
  };

  // Reads the model from memory. `file` must stay until keep() has been called. On a device all of these
  // throw DeviceFailed. Faults: `LoadFailed`, `UnsupportedSignature`, `UnsupportedFormat`,
  // `UnsupportedProcessor`, `OutOfMemory`.
  static Outcome<Model> load(std::span<const std::byte> file, ModelFormat format = ModelFormat::kTorchScript,
                             const Means& means = {.library = -1, .device = nullptr});

  [[nodiscard]] const Signature& signature() const { return backend_->signature(); }

  // The same model with another form of its graph; nullopt if it cannot be given that. It may share weights
  // with this one, and answer differently only by a fault of the runtime's: so it must pass the same proof.
  [[nodiscard]] std::optional<Model> with_graph(wire::Graph graph);

  // To be called on the form that is to serve, while `file` is still there.
  std::expected<void, RunError> keep() { return backend_->keep(); }

  // Runs the model with inputs by position. It may keep what it was given.
  std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs) {
    return device_ == nullptr ? backend_->run(inputs) : run_on(*device_, *backend_, inputs);
  }

  // Where it computes; null: on the processor.
  [[nodiscard]] Device* device() const { return device_; }

 private:
  Model(std::unique_ptr<Backend> backend, Device* device) : backend_(std::move(backend)), device_(device) {}

  std::unique_ptr<Backend> backend_;
  Device* device_;
};

}  // namespace pilotlight::engine
