#include "sidecar/engine/outputs.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

#include "sidecar/engine/tensors.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

using Arranged = std::expected<std::vector<at::Tensor>, std::string>;

Arranged by_name(Outputs outputs, const wire::Contract& contract) {
  std::vector<at::Tensor> arranged;
  for (const wire::TensorSpec& spec : contract.outputs) {
    const auto found = std::ranges::find(outputs.names, spec.name);
    if (found == outputs.names.end()) {
      std::string names;
      for (const std::string& name : outputs.names) names += (names.empty() ? "" : ", ") + name;
      return std::unexpected("output \"" + spec.name +
                             "\" is missing; the model returned: " + one_line(names));
    }
    arranged.push_back(outputs.tensors[static_cast<std::size_t>(found - outputs.names.begin())]);
  }
  return arranged;
}

std::expected<void, std::string> check(const at::Tensor& tensor, const wire::TensorSpec* spec,
                                       std::optional<std::int64_t> batch) {
  if (tensor.layout() != at::kStrided || !tensor.device().is_cpu() || !datatype_of(tensor.scalar_type())) {
    return std::unexpected("is a tensor of a kind that cannot be sent: " + describe(tensor));
  }
  if (tensor.dim() > static_cast<std::int64_t>(wire::kMaxRank)) {
    return std::unexpected("has " + std::to_string(tensor.dim()) + " dimensions");
  }
  if (spec == nullptr) return {};
  const auto sizes = tensor.sizes();
  const bool type_fits = !spec->datatype || scalar_type(*spec->datatype) == tensor.scalar_type();
  if (!type_fits || !wire::fits(*spec, std::span(sizes.data(), sizes.size()))) {
    return std::unexpected(
        "is " + describe(tensor) + "; the contract says " +
        std::string(spec->datatype ? wire::datatype_name(*spec->datatype) : "any datatype") + " " +
        (spec->shape ? wire::shape_text(*spec->shape) : ""));
  }
  if (batch && tensor.size(0) != *batch) {
    return std::unexpected("is " + describe(tensor) + " for a batch of " + std::to_string(*batch));
  }
  return {};
}

}  // namespace

Arranged arrange_outputs(Outputs outputs, const wire::Contract& contract, std::optional<std::int64_t> batch) {
  if (outputs.tensors.size() > wire::kMaxTensors) {
    return std::unexpected("the model returned " + std::to_string(outputs.tensors.size()) +
                           " tensors; at most " + std::to_string(wire::kMaxTensors));
  }
  const bool open = contract.outputs.empty();
  if (!open && outputs.tensors.size() != contract.outputs.size()) {
    return std::unexpected("the model returned " + std::to_string(outputs.tensors.size()) +
                           " tensors; the contract has " + std::to_string(contract.outputs.size()));
  }
  Arranged arranged = open || outputs.names.empty() ? Arranged(std::move(outputs.tensors))
                                                    : by_name(std::move(outputs), contract);
  if (!arranged) return arranged;
  for (std::size_t i = 0; i < arranged->size(); ++i) {
    const auto checked = check((*arranged)[i], open ? nullptr : &contract.outputs[i], batch);
    const std::string name = open ? "output_" + std::to_string(i) : contract.outputs[i].name;
    if (!checked) return std::unexpected("output \"" + name + "\" " + checked.error());
  }
  return arranged;
}

std::optional<std::int64_t> batch_of(const wire::Contract& contract, const std::vector<at::Tensor>& inputs) {
  if (!wire::has_batch_dimension(contract) || inputs.empty() || inputs.front().dim() == 0)
    return std::nullopt;
  return inputs.front().size(0);
}

std::optional<std::string> non_finite(const std::vector<at::Tensor>& outputs,
                                      const wire::Contract& contract) {
  const c10::InferenceMode no_gradients;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].is_floating_point() || outputs[i].isfinite().all().item<bool>()) continue;
    return i < contract.outputs.size() ? contract.outputs[i].name : "output_" + std::to_string(i);
  }
  return std::nullopt;
}

}  // namespace pilotlight::engine
