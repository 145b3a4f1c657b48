#include "sidecar/front/input_slots.h"

#include <algorithm>
#include <format>

#include "sidecar/wire/datatype.h"

namespace pilotlight::front {

std::string input_names(const wire::Contract& contract) {
  std::string names;
  for (const auto& spec : contract.inputs) names += (names.empty() ? "" : ", ") + spec.name;
  return names;
}

InputSlots::InputSlots(const wire::Contract& contract, ArenaHeap& heap)
    : contract_(contract), heap_(heap), tensors_(contract.inputs.size()), blocks_(contract.inputs.size()) {}

std::size_t InputSlots::index(std::string_view name, const JsonPath& path) {
  const auto found = std::ranges::find(contract_.inputs, name, &wire::TensorSpec::name);
  if (found == contract_.inputs.end()) {
    refuse(path, std::format("'{}' is no input of this model; its inputs are: {}", shown(name),
                             input_names(contract_)));
  }
  const auto at = static_cast<std::size_t>(found - contract_.inputs.begin());
  if (tensors_[at]) refuse(path, std::format("the input '{}' is there twice", found->name));
  return at;
}

std::span<std::byte> InputSlots::place(std::size_t index, wire::Datatype type,
                                       std::span<const std::int64_t> shape, std::size_t body_bytes,
                                       const JsonPath& path) {
  const auto& spec = contract_.inputs[index];
  const auto type_name = wire::datatype_name(type);
  if (spec.datatype && *spec.datatype != type) {
    refuse(path, std::format("expected {}, got {}", wire::datatype_name(*spec.datatype), type_name));
  }
  if (shape.size() > wire::kMaxRank) {
    refuse(path, std::format("has {} dimensions; at most {} are supported", shape.size(), wire::kMaxRank));
  }
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool zero_declared = spec.shape && spec.shape->size() == shape.size() && (*spec.shape)[i] == 0;
    if (shape[i] < 1 && !(shape[i] == 0 && zero_declared)) {
      refuse(path, std::format("the shape {} holds {}; every dimension must be at least 1",
                               wire::shape_text(shape), shape[i]));
    }
  }
  if (!wire::fits(spec, shape)) {
    refuse(path, std::format("expected the shape {}, got {}", wire::shape_text(*spec.shape),
                             wire::shape_text(shape)));
  }
  const auto elements = wire::written_count(shape);
  const auto bytes = wire::byte_count(type, shape);
  if (!elements || !bytes || *elements > body_bytes) {
    refuse(path,
           std::format("the shape {} has more elements than the request has bytes", wire::shape_text(shape)));
  }
  if (*bytes > heap_.size()) {
    throw Refusal{413,
                  std::format("{}: {} bytes; at most {} can be held", path.text(), *bytes, heap_.size())};
  }
  auto block = heap_.allocate(*bytes);
  if (!block) throw Refusal{503, "too many requests are waiting; try again"};
  wire::Tensor tensor{.datatype = type,
                      .rank = static_cast<std::uint32_t>(shape.size()),
                      .shape = {},
                      .offset = block->offset(),
                      .bytes = *bytes};
  std::ranges::copy(shape, tensor.shape);
  tensors_[index] = tensor;
  blocks_[index] = *std::move(block);
  return blocks_[index].bytes();
}

Inputs InputSlots::take() {
  Inputs inputs;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (!tensors_[i]) throw Refusal{400, std::format("the input '{}' is missing", contract_.inputs[i].name)};
    inputs.tensors.push_back(*tensors_[i]);
  }
  if (wire::has_batch_dimension(contract_)) {
    const auto& first = inputs.tensors.front();
    for (std::size_t i = 1; i < inputs.tensors.size(); ++i) {
      if (inputs.tensors[i].shape[0] == first.shape[0]) continue;
      throw Refusal{
          400, std::format("the inputs '{}' and '{}' have batches of {} and {}", contract_.inputs[0].name,
                           contract_.inputs[i].name, first.shape[0], inputs.tensors[i].shape[0])};
    }
  }
  inputs.blocks = std::move(blocks_);
  return inputs;
}

}  // namespace pilotlight::front
