#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/front/inferences.h"
#include "sidecar/front/json_input.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::front {

// The inputs of one request, as they are found in its body: each name once, each as the contract says, each
// with its place in the arena. Throws Refusal.
class InputSlots {
 public:
  InputSlots(const wire::Contract& contract, ArenaHeap& heap);

  // The contract's index of the input, which has not been there before.
  std::size_t index(std::string_view name, const JsonPath& path);
  // The datatype that the request's must be; nothing where the model does not say.
  std::optional<wire::Datatype> datatype(std::size_t index) const { return contract_.inputs[index].datatype; }
  // Checks shape and datatype, and takes the room for the tensor. The tensor's JSON or binary form has
  // `body_bytes`, so a shape with more elements cannot be meant honestly.
  std::span<std::byte> place(std::size_t index, wire::Datatype type, std::span<const std::int64_t> shape,
                             std::size_t body_bytes, const JsonPath& path);
  // All inputs are there, and agree on the size of the batch.
  Inputs take();

 private:
  const wire::Contract& contract_;
  ArenaHeap& heap_;
  std::vector<std::optional<wire::Tensor>> tensors_;
  std::vector<ArenaHeap::Block> blocks_;
};

// "image, mask".
std::string input_names(const wire::Contract& contract);

}  // namespace pilotlight::front
