#include "sidecar/engine/signature.h"

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>

#include <algorithm>

namespace pilotlight::engine {
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

wire::Contract open_contract(const Signature& signature) {
  wire::Contract contract;
  for (const std::string& name : signature.required) {
    contract.inputs.push_back({.name = name, .datatype = {}, .shape = {}, .labels = {}});
  }
  for (std::size_t i = 0; signature.names_outputs && i < signature.outputs; ++i) {
    contract.outputs.push_back(
        {.name = "output_" + std::to_string(i), .datatype = {}, .shape = {}, .labels = {}});
  }
  return contract;
}

Outcome<void> check_signature(const Signature& signature, const wire::Contract& contract) {
  const std::size_t inputs = contract.inputs.size();
  if (inputs < signature.required.size() || inputs > signature.most) {
    std::string names;
    for (const std::string& name : signature.required) names += (names.empty() ? "" : ", ") + name;
    return refuse("InvalidContract",
                  "the contract has " + std::to_string(inputs) + " inputs; forward takes " +
                      std::to_string(signature.required.size()) + " (" + names + ")" +
                      (signature.most > signature.required.size()
                           ? " and up to " + std::to_string(signature.most) + " with its optional ones"
                           : ""),
                  "List one input for each of forward's arguments, in its order.");
  }
  if (signature.names_outputs && contract.outputs.size() != signature.outputs) {
    return refuse("InvalidContract",
                  "the contract has " + std::to_string(contract.outputs.size()) +
                      " outputs; forward returns " + std::to_string(signature.outputs),
                  "List one output for each tensor that forward returns, in its order.");
  }
  return {};
}

}  // namespace pilotlight::engine
