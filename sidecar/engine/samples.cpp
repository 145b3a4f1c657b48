#include "sidecar/engine/samples.h"

#include <torch/torch.h>

#include <algorithm>

#include "sidecar/engine/tensors.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

constexpr std::int64_t kVarying = 16;

at::Tensor synthetic(const wire::TensorSpec& spec, std::int64_t first) {
  std::vector<std::int64_t> shape = spec.shape.value();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) shape[i] = i == 0 ? first : kVarying;
  }
  const auto type = scalar_type(spec.datatype.value());
  if (!wire::is_floating(*spec.datatype)) return torch::ones(shape, type);
  // A pattern without a period in any usual dimension, the same on every run.
  const auto count = static_cast<std::int64_t>(wire::element_count(shape).value_or(0));
  const at::Tensor steps = torch::arange(count, at::kDouble) * 0.6180339887498949;
  return (steps - steps.floor()).to(type).view(shape);
}

}  // namespace

std::vector<at::Tensor> synthetic_inputs(const wire::Contract& contract, std::int64_t batch) {
  const std::int64_t first = wire::has_batch_dimension(contract) ? batch : kVarying;
  std::vector<at::Tensor> inputs;
  for (const wire::TensorSpec& spec : contract.inputs) inputs.push_back(synthetic(spec, first));
  return inputs;
}

bool is_complete(const wire::Contract& contract) {
  const auto known = [](const wire::TensorSpec& spec) { return spec.datatype && spec.shape; };
  return !contract.inputs.empty() && !contract.outputs.empty() &&
         std::ranges::all_of(contract.inputs, known) && std::ranges::all_of(contract.outputs, known);
}

std::vector<at::Tensor> tiled_inputs(const std::vector<at::Tensor>& inputs, std::int64_t batch) {
  std::vector<at::Tensor> tiled;
  for (const at::Tensor& each : inputs) {
    const auto rows = torch::arange(batch, at::kLong).remainder(std::max<std::int64_t>(each.size(0), 1));
    tiled.push_back(each.index_select(0, rows));
  }
  return tiled;
}

}  // namespace pilotlight::engine
