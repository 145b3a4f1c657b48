#include "sidecar/engine/onnx/values.h"

#include <torch/torch.h>

#include <memory>
#include <utility>

#include "sidecar/engine/tensors.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine::onnx {

using wire::Datatype;

ONNXTensorElementDataType element_type(Datatype type) {
  switch (type) {
    case Datatype::kBool:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
    case Datatype::kUint8:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
    case Datatype::kInt8:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
    case Datatype::kInt16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16;
    case Datatype::kInt32:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    case Datatype::kInt64:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
    case Datatype::kFp16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    case Datatype::kBf16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
    case Datatype::kFp32:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    case Datatype::kFp64:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE;
  }
  std::unreachable();
}

std::optional<Datatype> datatype_of(ONNXTensorElementDataType type) {
  for (const Datatype each : wire::all_datatypes()) {
    if (element_type(each) == type) return each;
  }
  return std::nullopt;
}

Ort::Value borrow(const at::Tensor& tensor) {
  static const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
  static char nothing = 0;  // a tensor without elements has no memory, which ONNX Runtime takes for a mistake
  void* const data = tensor.nbytes() == 0 ? &nothing : tensor.data_ptr();
  const auto type = element_type(engine::datatype_of(tensor.scalar_type()).value());
  return Ort::Value::CreateTensor(memory, data, tensor.nbytes(), tensor.sizes().data(), tensor.sizes().size(),
                                  type);
}

at::Tensor take(Ort::Value value) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  const auto type = datatype_of(info.GetElementType());
  if (!type) throw Ort::Exception("an output is of a datatype that cannot be sent", ORT_INVALID_ARGUMENT);
  void* const data = value.GetTensorMutableRawData();
  auto kept = std::make_shared<Ort::Value>(std::move(value));
  return torch::from_blob(data, info.GetShape(), [kept](void*) {}, scalar_type(*type));
}

}  // namespace pilotlight::engine::onnx
