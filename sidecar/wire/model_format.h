#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pilotlight::wire {

// The formats of models that are served.
enum class ModelFormat {
  kTorchScript,
  kOnnx,
  kAotInductor,  // machine code: only where it is asked for by name, and signed
};

// As spec.model.format, model.yaml and the proof call it.
std::string_view model_format_name(ModelFormat format);
std::optional<ModelFormat> model_format_from_name(std::string_view name);

// All of them, for messages: "TorchScript, ONNX or AOTInductor".
std::string model_format_names();

}  // namespace pilotlight::wire
