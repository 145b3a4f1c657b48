#include "sidecar/wire/model_format.h"

#include <array>
#include <utility>

namespace pilotlight::wire {
namespace {

constexpr std::array kFormats = {ModelFormat::kTorchScript, ModelFormat::kOnnx, ModelFormat::kAotInductor};

}  // namespace

std::string_view model_format_name(ModelFormat format) {
  switch (format) {
    case ModelFormat::kTorchScript:
      return "TorchScript";
    case ModelFormat::kOnnx:
      return "ONNX";
    case ModelFormat::kAotInductor:
      return "AOTInductor";
  }
  std::unreachable();
}

std::optional<ModelFormat> model_format_from_name(std::string_view name) {
  for (const ModelFormat each : kFormats) {
    if (model_format_name(each) == name) return each;
  }
  return std::nullopt;
}

std::string model_format_names() {
  std::string names;
  for (const ModelFormat each : kFormats) {
    if (!names.empty()) names += each == kFormats.back() ? " or " : ", ";
    names += model_format_name(each);
  }
  return names;
}

}  // namespace pilotlight::wire
