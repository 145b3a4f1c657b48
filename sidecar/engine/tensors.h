#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sidecar/engine/bundle/safetensors.h"
#include "sidecar/wire/messages.h"

namespace pilotlight::engine {

at::ScalarType scalar_type(wire::Datatype type);
// nullopt for what the protocol has no name for, such as complex numbers.
std::optional<wire::Datatype> datatype_of(at::ScalarType type);

// A tensor of its own memory with a copy of the data, which has shape × datatype bytes. Pinned memory is what
// a device reads by itself.
at::Tensor copy_in(wire::Datatype type, std::span<const std::int64_t> shape, const std::byte* data,
                   bool pinned = false);
at::Tensor copy_in(const StoredTensor& tensor);

// Copies a tensor, whatever its strides, to `to`, row-major.
void copy_out(const at::Tensor& tensor, std::byte* to);

// "FP32 [2,10]": for messages.
std::string describe(const at::Tensor& tensor);

}  // namespace pilotlight::engine
