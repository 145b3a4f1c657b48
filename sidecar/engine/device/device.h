#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace pilotlight::engine {

// A device other than the processor, on which models compute. The processor is the absence of one: null. Not
// thread-safe.
//
// What a device is asked to do, it does later, and says later what went wrong with it. So nothing that it
// computed is believed before fetch() or failed() has returned: both wait until it has done everything.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  // What a proof calls it: "cuda:0 NVIDIA L4".
  [[nodiscard]] virtual std::string name() const = 0;

  // In bytes. A model may take no more than `limit` of `total`, so that the driver and the libraries find
  // room; `free` is what nobody holds now. memory() throws DeviceFailed.
  struct Memory {
    std::uint64_t total = 0;
    std::uint64_t limit = 0;
    std::uint64_t free = 0;
  };
  [[nodiscard]] virtual Memory memory() const = 0;

  // Where parameters go.
  [[nodiscard]] virtual at::Device place() const = 0;

  // Copies of tensors in the processor's memory. The device fetches by itself what lies in pinned memory.
  virtual std::vector<at::Tensor> bring(const std::vector<at::Tensor>& inputs) = 0;

  // Copies in the processor's memory, complete; throws what went wrong with all that was asked before. What
  // is there already, or cannot be there, is handed back as it is.
  virtual std::vector<at::Tensor> fetch(const std::vector<at::Tensor>& outputs) = 0;

  // To be asked after an error: whether it was one of those that leave the device unusable to this process,
  // such as a failed assertion or an illegal address in a kernel, or broken memory.
  [[nodiscard]] virtual bool failed() = 0;

  // Gives back what is kept for later.
  virtual void free_unused() = 0;
};

// Whether this engine was built for a device, and one has been given to the container. Then models run there,
// and nowhere else.
bool device_present();

// Starts its driver and makes its libraries do once what they do lazily. The error says what the driver said.
std::expected<std::unique_ptr<Device>, std::string> start_device();

}  // namespace pilotlight::engine
