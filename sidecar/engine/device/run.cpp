#include "sidecar/engine/device/run.h"

#include <utility>

namespace pilotlight::engine {
namespace {

std::expected<Outputs, RunError> attempt(Device& device, Backend& model,
                                         const std::vector<at::Tensor>& inputs) {
  const auto there = guarded([&] { return device.bring(inputs); });
  auto outputs = there ? model.run(*there) : std::unexpected(there.error());
  if (!outputs) return outputs;
  auto here = guarded([&] { return device.fetch(outputs->tensors); });
  if (!here) return std::unexpected(std::move(here).error());
  outputs->tensors = *std::move(here);
  return outputs;
}

}  // namespace

void check_device(Device& device, const std::string& error) {
  if (device.failed()) throw DeviceFailed(device.name() + ": " + error);
}

std::expected<Outputs, RunError> run_on(Device& device, Backend& model,
                                        const std::vector<at::Tensor>& inputs) {
  auto outputs = attempt(device, model, inputs);
  if (outputs) return outputs;
  check_device(device, outputs.error().reason);
  if (outputs.error().kind != RunError::Kind::kOutOfMemory) return outputs;
  device.free_unused();
  outputs = attempt(device, model, inputs);
  if (!outputs) check_device(device, outputs.error().reason);
  return outputs;
}

}  // namespace pilotlight::engine
