// NVIDIA's GPUs. This has been built, and never been run: docs/designs/0014-cuda.md.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>
#include <torch/torch.h>
#include <unistd.h>

#include <cstdlib>
#include <tuple>

#include "sidecar/engine/device/device.h"
#include "sidecar/engine/run_error.h"

namespace pilotlight::engine {
namespace {

// The container's runtime decides which devices there are; the first of them is ours.
constexpr c10::DeviceIndex kIndex = 0;

// Of the device's memory, what tensors may take. The driver's context, the kernels of LibTorch and the work
// space of cuBLAS and cuDNN lie beside it.
constexpr double kShare = 0.9;

// All copies are waited for. Those that are not are noted with pinned memory, and giving that back then
// throws, in a destructor, once the device has failed: the engine would abort without a word. Nothing is
// lost, as there is one batch at a time, and pinned memory is what makes copies fast.
class Cuda final : public Device {
 public:
  Cuda() {
    at::globalContext().lazyInitDevice(c10::kCUDA);
    c10::cuda::CUDACachingAllocator::setMemoryFraction(kShare, kIndex);
    // Convolutions would otherwise round float32 to 10 bits, where the golden cases were made with 23.
    at::globalContext().setAllowTF32CuDNN(false);
    prime();
  }

  [[nodiscard]] std::string name() const override {
    return "cuda:" + std::to_string(kIndex) + " " + at::cuda::getDeviceProperties(kIndex)->name;
  }

  [[nodiscard]] Memory memory() const override {
    std::size_t free = 0;
    std::size_t total = 0;
    if (const cudaError_t error = cudaMemGetInfo(&free, &total); error != cudaSuccess) {
      throw DeviceFailed(name() + ": " + cudaGetErrorString(error));
    }
    return {.total = total,
            .limit = static_cast<std::uint64_t>(kShare * static_cast<double>(total)),
            .free = free};
  }

  [[nodiscard]] at::Device place() const override { return {c10::kCUDA, kIndex}; }

  std::vector<at::Tensor> bring(const std::vector<at::Tensor>& inputs) override {
    const c10::InferenceMode no_gradients;
    std::vector<at::Tensor> there;
    there.reserve(inputs.size());
    for (const at::Tensor& each : inputs) there.push_back(each.to(place(), each.scalar_type()));
    return there;
  }

  std::vector<at::Tensor> fetch(const std::vector<at::Tensor>& outputs) override {
    const c10::InferenceMode no_gradients;
    std::vector<at::Tensor> here;
    here.reserve(outputs.size());
    for (const at::Tensor& each : outputs) here.push_back(fetch_one(each));
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    return here;
  }

  // Other errors are forgotten once they have been read; these come back from every call.
  [[nodiscard]] bool failed() override {
    std::ignore = cudaGetLastError();
    return cudaDeviceSynchronize() != cudaSuccess;
  }

  void free_unused() override { c10::cuda::CUDACachingAllocator::emptyCache(); }

 private:
  static at::Tensor fetch_one(const at::Tensor& output) {
    // What is of no kind that can be sent is refused later, with its name.
    if (!output.is_cuda() || output.layout() != at::kStrided || output.is_quantized()) return output;
    at::Tensor here = at::empty(output.sizes(), at::TensorOptions(output.scalar_type()).pinned_memory(true));
    return here.copy_(output);
  }

  // Loads cuBLAS, cuDNN and the first kernels, and takes pinned memory: what is loaded later is loaded inside
  // the sandbox.
  void prime() {
    const c10::InferenceMode no_gradients;
    const at::TensorOptions there(place());
    const at::Tensor square = torch::rand({128, 128}, there);
    const at::Tensor image =
        torch::conv2d(torch::rand({1, 4, 16, 16}, there), torch::rand({4, 4, 3, 3}, there));
    fetch({square.matmul(square), image});
  }
};

}  // namespace

bool device_present() {
  return ::access("/dev/nvidiactl", F_OK) == 0;
}

std::expected<std::unique_ptr<Device>, std::string> start_device() {
  // Kernels that are compiled while running are kept in files, of which there are none.
  ::setenv("CUDA_CACHE_DISABLE", "1", 1);
  ::setenv("USE_PYTORCH_KERNEL_CACHE", "0", 1);
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    return std::unexpected(cudaGetErrorString(error));
  }
  if (count == 0) return std::unexpected("there is no device");
  auto started = guarded([]() -> std::unique_ptr<Device> { return std::make_unique<Cuda>(); });
  if (!started) return std::unexpected(std::move(started).error().reason);
  return *std::move(started);
}

}  // namespace pilotlight::engine
