#include "sidecar/engine/model.h"

#include "sidecar/engine/aoti/load.h"
#include "sidecar/engine/onnx/load.h"
#include "sidecar/engine/torchscript/load.h"

namespace pilotlight::engine {
namespace {

// Debian's ONNX Runtime computes on processors only.
Device* device_for(ModelFormat format, Device* device) {
  return format == ModelFormat::kTorchScript ? device : nullptr;
}

Outcome<std::unique_ptr<Backend>> load_backend(std::span<const std::byte> file, ModelFormat format,
                                               const Device* device, int library) {
  switch (format) {
    case ModelFormat::kTorchScript:
      return torchscript::load(file, device == nullptr ? at::Device(c10::kCPU) : device->place());
    case ModelFormat::kOnnx:
      return onnx::load(file);
    case ModelFormat::kAotInductor:
      if (library < 0) {
        return refuse("UnsupportedFormat", "the model is machine code, which this engine may not load",
                      "Ask for it by name: model.format AOTInductor, with a signature.");
      }
      return aoti::load(file, library);
  }
  std::unreachable();
}

}  // namespace

Outcome<Model> Model::load(std::span<const std::byte> file, ModelFormat format, const Means& means) {
  Device* device = device_for(format, means.device);
  auto backend = load_backend(file, format, device, means.library);
  if (backend) return Model(*std::move(backend), device);
  if (device != nullptr) check_device(*device, backend.error().message);
  return std::unexpected(std::move(backend).error());
}

std::optional<Model> Model::with_graph(wire::Graph graph) {
  auto other = backend_->with_graph(graph);
  if (other) return Model(std::move(other), device_);
  if (device_ != nullptr) check_device(*device_, "another form of the graph was being made");
  return std::nullopt;
}

}  // namespace pilotlight::engine
