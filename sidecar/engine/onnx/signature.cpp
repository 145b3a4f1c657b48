#include "sidecar/engine/onnx/signature.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/text/printable.h"
#include "sidecar/engine/onnx/values.h"
#include "sidecar/wire/contract.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine::onnx {
namespace {

std::unexpected<Fault> unsupported(const std::string& what) {
  return refuse("UnsupportedSignature", "the ONNX graph's " + what,
                "Export a graph whose inputs and outputs are tensors of numbers (" + wire::datatype_names() +
                    "); for scikit-learn, with options={\"zipmap\": False}.");
}

Outcome<wire::TensorSpec> read(const std::string& where, std::string name, const Ort::TypeInfo& type) {
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) return unsupported(where + Quoted(name) + " is not a tensor");
  const auto info = type.GetTensorTypeAndShapeInfo();
  const auto datatype = datatype_of(info.GetElementType());
  if (!datatype) {
    return unsupported(where + Quoted(name) + " holds text, or numbers of a kind that no request can carry");
  }
  wire::TensorSpec spec{.name = std::move(name), .datatype = datatype, .shape = {}, .labels = {}};
  auto shape = info.GetShape();
  std::ranges::replace_if(shape, [](std::int64_t size) { return size < 0; }, -1);
  if (!shape.empty()) spec.shape = std::move(shape);
  return spec;
}

}  // namespace

Outcome<Signature> read_signature(const Ort::Session& session) {
  const Ort::AllocatorWithDefaultOptions allocator;
  wire::Contract contract;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    auto spec =
        read("input ", session.GetInputNameAllocated(i, allocator).get(), session.GetInputTypeInfo(i));
    if (!spec) return std::unexpected(std::move(spec).error());
    contract.inputs.push_back(*std::move(spec));
  }
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
    auto spec =
        read("output ", session.GetOutputNameAllocated(i, allocator).get(), session.GetOutputTypeInfo(i));
    if (!spec) return std::unexpected(std::move(spec).error());
    contract.outputs.push_back(*std::move(spec));
  }
  // Names and sizes are the file's own: they must be such that a contract may have them.
  if (const auto sound = wire::contract_from_json(wire::to_json(contract), false); !sound) {
    return unsupported(sound.error());
  }
  if (contract.outputs.empty()) return unsupported("outputs are missing");
  Signature signature;
  for (const wire::TensorSpec& input : contract.inputs) signature.required.push_back(input.name);
  signature.most = contract.inputs.size();
  signature.outputs = contract.outputs.size();
  signature.declared = std::move(contract);
  return signature;
}

}  // namespace pilotlight::engine::onnx
