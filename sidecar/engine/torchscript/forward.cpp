#include "sidecar/engine/torchscript/forward.h"

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>

#include <algorithm>

namespace pilotlight::engine::torchscript {
namespace {

bool takes_tensor(const c10::Type& type) {
  if (type.kind() == c10::TypeKind::TensorType) return true;
  const auto* optional = type.castRaw<c10::OptionalType>();
  return optional != nullptr && optional->getElementType()->kind() == c10::TypeKind::TensorType;
}

bool is_tensor(const c10::Type& type) {
  return type.kind() == c10::TypeKind::TensorType;
}

std::unexpected<Fault> unsupported(const std::string& what) {
  return refuse(
      "UnsupportedSignature", what,
      "Wrap the model in a module whose forward takes tensors and returns tensors, a tuple or list of "
      "tensors, or a dictionary of tensors, and export that.");
}

Outcome<void> read_return(const c10::FunctionSchema& forward, Signature& signature) {
  if (forward.returns().size() != 1) return unsupported("forward returns nothing");
  const c10::Type& type = *forward.returns()[0].type();
  if (is_tensor(type)) return {};
  if (const auto* tuple = type.castRaw<c10::TupleType>()) {
    const auto& elements = tuple->elements();
    signature.outputs = elements.size();
    if (!elements.empty() &&
        std::ranges::all_of(elements, [](const auto& each) { return is_tensor(*each); })) {
      return {};
    }
  }
  signature.names_outputs = false;
  const auto* list = type.castRaw<c10::ListType>();
  if (list != nullptr && is_tensor(*list->getElementType())) return {};
  const auto* dictionary = type.castRaw<c10::DictType>();
  if (dictionary != nullptr && dictionary->getKeyType()->kind() == c10::TypeKind::StringType &&
      is_tensor(*dictionary->getValueType())) {
    return {};
  }
  return unsupported("forward returns " + type.repr_str() + ", which is not made of tensors");
}

}  // namespace

Outcome<Signature> read_signature(const c10::FunctionSchema& forward) {
  Signature signature;
  bool positional = true;
  for (std::size_t i = 1; i < forward.arguments().size(); ++i) {  // the first is self
    const c10::Argument& argument = forward.arguments()[i];
    const bool must = !argument.default_value().has_value();
    const bool tensor = takes_tensor(*argument.type());
    if (must && (!tensor || argument.kwarg_only())) {
      return unsupported("forward's argument \"" + argument.name() + "\" is of type " +
                         argument.type()->repr_str() +
                         (tensor ? ", to be given by keyword" : ", not a tensor"));
    }
    if (must) signature.required.push_back(argument.name());
    positional = positional && tensor && !argument.kwarg_only();
    if (positional) ++signature.most;
  }
  if (signature.required.empty() && signature.most == 0) return unsupported("forward takes no tensors");
  if (auto result = read_return(forward, signature); !result)
    return std::unexpected(std::move(result).error());
  return signature;
}

}  // namespace pilotlight::engine::torchscript
