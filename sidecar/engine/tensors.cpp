#include "sidecar/engine/tensors.h"

#include <torch/torch.h>

#include <cstring>
#include <utility>

#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {

using wire::Datatype;

at::ScalarType scalar_type(Datatype type) {
  switch (type) {
    case Datatype::kBool:
      return at::kBool;
    case Datatype::kUint8:
      return at::kByte;
    case Datatype::kInt8:
      return at::kChar;
    case Datatype::kInt16:
      return at::kShort;
    case Datatype::kInt32:
      return at::kInt;
    case Datatype::kInt64:
      return at::kLong;
    case Datatype::kFp16:
      return at::kHalf;
    case Datatype::kBf16:
      return at::kBFloat16;
    case Datatype::kFp32:
      return at::kFloat;
    case Datatype::kFp64:
      return at::kDouble;
  }
  std::unreachable();
}

std::optional<Datatype> datatype_of(at::ScalarType type) {
  for (const Datatype each : wire::all_datatypes()) {
    if (scalar_type(each) == type) return each;
  }
  return std::nullopt;
}

at::Tensor copy_in(Datatype type, std::span<const std::int64_t> shape, const std::byte* data, bool pinned) {
  at::Tensor tensor = torch::empty(at::IntArrayRef(shape.data(), shape.size()),
                                   at::TensorOptions(scalar_type(type)).pinned_memory(pinned));
  if (tensor.nbytes() > 0) std::memcpy(tensor.data_ptr(), data, tensor.nbytes());
  // A bool that is neither 0 nor 1 is undefined behaviour wherever it is read.
  if (type == Datatype::kBool) tensor = tensor.view(at::kByte).ne(0);
  return tensor;
}

at::Tensor copy_in(const StoredTensor& tensor) {
  return copy_in(tensor.datatype, tensor.shape, tensor.data.data());
}

void copy_out(const at::Tensor& tensor, std::byte* to) {
  if (tensor.numel() == 0) return;
  if (tensor.is_contiguous() && !tensor.is_neg() && !tensor.is_conj()) {
    std::memcpy(to, tensor.const_data_ptr(), tensor.nbytes());
    return;
  }
  torch::from_blob(to, tensor.sizes(), tensor.scalar_type()).copy_(tensor);
}

std::string describe(const at::Tensor& tensor) {
  const auto type = datatype_of(tensor.scalar_type());
  const auto sizes = tensor.sizes();
  std::string text(type ? wire::datatype_name(*type) : c10::toString(tensor.scalar_type()));
  text += " " + wire::shape_text(std::span(sizes.data(), sizes.size()));
  if (tensor.layout() != at::kStrided) text += ", sparse";
  return text;
}

}  // namespace pilotlight::engine
