#include "sidecar/engine/model.h"

#include "sidecar/engine/aoti/load.h"
#include "sidecar/engine/onnx/load.h"
#include "sidecar/engine/torchscript/load.h"

namespace pilotlight::engine {
namespace {

Outcome<std::unique_ptr<Backend>> load_backend(std::span<const std::byte> file, ModelFormat format,
                                               int library) {
  switch (format) {
    case ModelFormat::kTorchScript:
      return torchscript::load(file);
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

Outcome<Model> Model::load(std::span<const std::byte> file, ModelFormat format, int library) {
  auto backend = load_backend(file, format, library);
  if (!backend) return std::unexpected(std::move(backend).error());
  return Model(*std::move(backend));
}

std::optional<Model> Model::with_graph(wire::Graph graph) {
  auto other = backend_->with_graph(graph);
  if (!other) return std::nullopt;
  return Model(std::move(other));
}

}  // namespace pilotlight::engine
