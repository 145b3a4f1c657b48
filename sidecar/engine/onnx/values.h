#pragma once

#include <ATen/core/Tensor.h>
#include <onnxruntime_cxx_api.h>

#include <optional>

#include "sidecar/wire/messages.h"

namespace pilotlight::engine::onnx {

ONNXTensorElementDataType element_type(wire::Datatype type);
// nullopt for what the protocol has no name for, such as text.
std::optional<wire::Datatype> datatype_of(ONNXTensorElementDataType type);

// The tensor's memory as a value of ONNX Runtime's, without a copy: the tensor must be contiguous, of a
// datatype that the protocol knows, and outlive it.
Ort::Value borrow(const at::Tensor& tensor);

// A value's memory as a tensor, without a copy: the tensor keeps the value alive. Throws Ort::Exception for
// what is no tensor of a datatype that the protocol knows.
at::Tensor take(Ort::Value value);

}  // namespace pilotlight::engine::onnx
