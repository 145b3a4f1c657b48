#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sidecar/engine/bundle/manifest.h"

namespace pilotlight::engine {

// What is not the same here as where the model was exported. No fault: whether it matters, golden cases show.
struct Drift {
  std::string_view component;  // torch, onnxruntime or cpu
  std::string exporter;
  std::string runtime;
};

// Of what computes a model of that format: PyTorch or ONNX Runtime, and the processor's instructions. Python
// and its packages do not run here. What the exporter did not say is not compared.
std::vector<Drift> find_drift(const Exporter& exporter, ModelFormat format);

}  // namespace pilotlight::engine
