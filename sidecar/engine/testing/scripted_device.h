#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "sidecar/engine/device/device.h"

namespace pilotlight::engine::testing {

// Does as it is told, in place of a device that is not there: models compute on the processor all the same.
class ScriptedDevice final : public Device {
 public:
  [[nodiscard]] std::string name() const override { return "scripted:0 Model T"; }
  [[nodiscard]] Memory memory() const override { return {.total = 1000, .limit = 900, .free = 700}; }
  [[nodiscard]] at::Device place() const override { return c10::kCPU; }
  std::vector<at::Tensor> bring(const std::vector<at::Tensor>& inputs) override {
    ++brought;
    if (brought <= too_large) throw std::runtime_error("CUDA out of memory. Tried to allocate 20.00 MiB.");
    std::vector<at::Tensor> there;
    for (const at::Tensor& each : inputs) there.push_back(each.clone());
    return there;
  }
  std::vector<at::Tensor> fetch(const std::vector<at::Tensor>& outputs) override {
    ++fetched;
    if (fetched == fails_at) {
      broken = breaks;
      throw std::runtime_error("CUDA error: device-side assert triggered");
    }
    return outputs;
  }
  [[nodiscard]] bool failed() override { return broken; }
  void free_unused() override { ++freed; }

  int too_large = 0;  // for so many runs from the first on
  int fails_at = 0;   // the run whose error shows when its outputs are fetched
  bool breaks = true;
  bool broken = false;
  int brought = 0;
  int fetched = 0;
  int freed = 0;
};

}  // namespace pilotlight::engine::testing
