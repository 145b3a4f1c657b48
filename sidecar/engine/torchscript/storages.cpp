#include "sidecar/engine/torchscript/storages.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <format>

namespace pilotlight::engine::torchscript {
namespace {

// What the tensor's shape and strides reach.
std::size_t reach_of(const at::Tensor& tensor) {
  return at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.itemsize(),
                                          static_cast<std::size_t>(tensor.storage_offset()));
}

bool holds_what_it_says(const c10::Storage& storage) {
  const auto& data = storage.data_ptr();
  if (storage.nbytes() == 0) return true;
  if (data.get() == nullptr) return false;
  // What was read from the file has been allocated for it; what is not from there cannot be told.
  if (data.get_deleter() != c10::GetCPUAllocator()->raw_deleter()) return true;
  return storage.nbytes() <= ::malloc_usable_size(data.get_context());
}

}  // namespace

Outcome<void> check_storages(const torch::jit::Module& module) {
  std::size_t said = 0;
  c10::IValue(module._ivalue()).visit([&said](const c10::IValue& value) {
    if (!value.isTensor() || !value.toTensor().has_storage()) return false;
    const at::Tensor& tensor = value.toTensor();
    const auto reach = reach_of(tensor);
    if (reach > tensor.storage().nbytes() || !holds_what_it_says(tensor.storage())) {
      said = std::max(reach, tensor.storage().nbytes());
    }
    return said > 0;  // then the others do not matter
  });
  if (said == 0) return {};
  return refuse("LoadFailed",
                std::format("a weight is said to have {} bytes, and the file holds fewer", said),
                "The file is damaged or forged: export it again.");
}

}  // namespace pilotlight::engine::torchscript
