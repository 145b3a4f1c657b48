#include "sidecar/engine/model.h"

#include "sidecar/engine/onnx/load.h"
#include "sidecar/engine/torchscript/load.h"

namespace pilotlight::engine {
namespace {

Outcome<std::unique_ptr<Backend>> load_backend(std::span<const std::byte> file, ModelFormat format) {
  switch (format) {
    case ModelFormat::kTorchScript:
      return torchscript::load(file);
    case ModelFormat::kOnnx:
      return onnx::load(file);
  }
  std::unreachable();
}

}  // namespace

Outcome<Model> Model::load(std::span<const std::byte> file, ModelFormat format) {
  auto backend = load_backend(file, format);
  if (!backend) return std::unexpected(std::move(backend).error());
  return Model(*std::move(backend));
}

std::optional<Model> Model::with_graph(wire::Graph graph) {
  auto other = backend_->with_graph(graph);
  if (!other) return std::nullopt;
  return Model(std::move(other));
}

}  // namespace pilotlight::engine
