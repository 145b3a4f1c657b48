#include "sidecar/engine/drift.h"

#include <ATen/Version.h>
#include <torch/version.h>

#include "common/text/printable.h"
#include "sidecar/engine/onnx/runtime.h"

namespace pilotlight::engine {
namespace {

constexpr std::size_t kMostOfAName = 40;

// "2.6.0+cu126": which build it was says less than its release.
std::string release(const std::string& version) {
  return Printable(version.substr(0, version.find('+')), kMostOfAName);
}

// "1.21" is 1.21.0.
bool same(std::string_view a, std::string_view b) {
  for (auto* each : {&a, &b}) {
    while (each->ends_with(".0")) each->remove_suffix(2);
  }
  return a == b;
}

}  // namespace

std::vector<Drift> find_drift(const Exporter& exporter, ModelFormat format) {
  std::vector<Drift> found;
  const auto compare = [&found](std::string_view component, std::string there, std::string here) {
    if (!there.empty() && !same(there, here)) found.push_back({component, std::move(there), std::move(here)});
  };
  if (format == ModelFormat::kOnnx) {
    compare("onnxruntime", release(exporter.onnxruntime), onnx::version());
  } else {
    compare("torch", release(exporter.torch), TORCH_VERSION);
  }
  // Machine code has the instructions that it was compiled for, and is refused where they are lacking.
  if (format != ModelFormat::kAotInductor)
    compare("cpu", Printable(exporter.cpu, kMostOfAName), at::get_cpu_capability());
  return found;
}

}  // namespace pilotlight::engine
