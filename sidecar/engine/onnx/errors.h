#pragma once

#include <onnxruntime_cxx_api.h>

#include <expected>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sidecar/engine/run_error.h"

namespace pilotlight::engine::onnx {

// What ONNX Runtime's message says, without where in its source it says so:
// "…/model.cc:169 onnxruntime::Model::Model(onnx::ModelProto&&, …) Unknown domain" → "Unknown domain".
std::string without_source(std::string_view message);

// guarded(), for work that calls ONNX Runtime.
template <class Work>
auto guarded_call(const Work& work) {
  return guarded([&work] {
    try {
      return work();
    } catch (const Ort::Exception& error) {
      throw std::runtime_error(without_source(error.what()));
    }
  });
}

}  // namespace pilotlight::engine::onnx
