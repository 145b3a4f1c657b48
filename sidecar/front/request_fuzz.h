#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/fuzz/fuzz.h"
#include "sidecar/front/json_output.h"
#include "sidecar/front/request.h"
#include "sidecar/wire/arena.h"
#include "sidecar/wire/datatype.h"
#include "sidecar/wire/inference.h"

// What the fuzzers of /infer and /predict share: models to ask, and what holds of every accepted request.
namespace pilotlight::fuzz {

inline constexpr std::uint64_t kArenaBytes = 1 << 16;

inline wire::TensorSpec spec(std::string name, std::optional<wire::Datatype> type,
                             std::optional<std::vector<std::int64_t>> shape) {
  return {.name = std::move(name), .datatype = type, .shape = std::move(shape), .labels = {}};
}

// The first byte of an input chooses one.
inline const wire::Contract& chosen_contract(char choice) {
  using enum wire::Datatype;
  static const std::vector<wire::Contract> kAll = {
      {.inputs = {spec("x", kFp32, {{-1, 3}})}, .outputs = {spec("y", kFp32, {{-1, 2}})}},
      {.inputs = {spec("x", kInt64, {{-1}}), spec("mask", kBool, {{-1, 2, 2}})},
       .outputs = {spec("y", kFp32, {{-1}})}},
      {.inputs = {spec("x", {}, {})}, .outputs = {}},
      {.inputs = {spec("x", {}, {}), spec("inputs", {}, {})}, .outputs = {}},
      {.inputs = {spec("x", kFp16, {{2, -1}}), spec("b", kBf16, {std::vector<std::int64_t>()}),
                  spec("u", kUint8, {{1}})},
       .outputs = {spec("y", kFp64, {{2}})}},
      {.inputs = {spec("x", kInt8, {{-1, 0}})}, .outputs = {spec("y", kInt8, {{-1, 0}})}},
      {.inputs = {spec("x", kFp64, {{1, 1, 1, 1, 1, 1, 1, -1}})}, .outputs = {spec("y", kFp64, {{1}})}},
  };
  return kAll[static_cast<unsigned char>(choice - '0') % kAll.size()];
}

inline const wire::Arena& arena() {
  static const wire::Arena kArena = *wire::Arena::create(kArenaBytes);
  return kArena;
}

// A body as the server hands it over: with room for simdjson behind it.
inline std::string padded(std::string_view body) {
  std::string copy;
  copy.reserve(body.size() + 64);
  copy += body;
  return copy;
}

using Values = std::vector<std::string>;  // each tensor's bytes

inline Values values_of(const front::Inputs& inputs) {
  Values values;
  for (const auto& tensor : inputs.tensors) {
    const auto data = arena().bytes().subspan(tensor.offset, tensor.bytes);
    values.emplace_back(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return values;
}

inline void check_inputs(const front::Inputs& inputs, const wire::Contract& contract) {
  require(inputs.tensors.size() == contract.inputs.size(), "every input is there");
  for (std::size_t i = 0; i < inputs.tensors.size(); ++i) {
    const auto& tensor = inputs.tensors[i];
    const auto& wanted = contract.inputs[i];
    require(wire::check_tensor(tensor, 0, kArenaBytes).has_value(), "an input is sound, and in the arena");
    require(wire::fits(wanted, wire::shape_of(tensor)), "an input has the contract's shape");
    require(wanted.datatype.value_or(tensor.datatype) == tensor.datatype,
            "an input has the contract's datatype");
    for (std::size_t k = 0; k < i; ++k) {
      const auto& other = inputs.tensors[k];
      require(tensor.bytes == 0 || other.bytes == 0 || tensor.offset >= other.offset + other.bytes ||
                  other.offset >= tensor.offset + tensor.bytes,
              "no two inputs overlap");
    }
    if (tensor.datatype != wire::Datatype::kBool) continue;
    require(std::ranges::all_of(arena().bytes().subspan(tensor.offset, tensor.bytes),
                                [](std::byte byte) { return byte <= std::byte{1}; }),
            "a BOOL is 0 or 1");
  }
}

inline void check_refusal(const front::BadRequest& refusal) {
  require(refusal.status == 400 || refusal.status == 413 || refusal.status == 503,
          "a refusal has one of its statuses");
  require(presentable(refusal.message, 2048), "a refusal can be shown");
}

// All that was taken is given back, or the next request finds no room.
inline void check_empty(front::ArenaHeap& heap) {
  require(heap.allocate(heap.size()).has_value(), "no room is lost");
}

}  // namespace pilotlight::fuzz
