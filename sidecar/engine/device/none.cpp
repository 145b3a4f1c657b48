// For builds without CUDA.
#include "sidecar/engine/device/device.h"

namespace pilotlight::engine {

bool device_present() {
  return false;
}

std::expected<std::unique_ptr<Device>, std::string> start_device() {
  return std::unexpected("this engine was built without any");
}

}  // namespace pilotlight::engine
