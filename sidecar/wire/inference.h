#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/wire/messages.h"

// The two packets of the hot path as bytes. Nothing here allocates but for error messages and names.
namespace pilotlight::wire {

// The bytes to send: up to tensor_count, which must be at most kMaxTensors.
std::span<const std::byte> infer_bytes(const Infer& infer);

// Copies a packet out before anything is looked at. The error says what is malformed: size, kind, counts,
// ranks. The descriptors are not yet checked against anything: that is check_tensor.
std::expected<Infer, std::string> parse_infer(std::span<const std::byte> packet);

// `names` are the outputs' names, given only where the contract has none.
std::vector<std::byte> result_bytes(const Result& result, std::span<const std::string> names = {});

struct ParsedResult {
  Result result;
  std::vector<std::string> names;  // empty, or one for each tensor
};
std::expected<ParsedResult, std::string> parse_result(std::span<const std::byte> packet);

// Whether the descriptor is sound and lies inside [begin, begin + bytes) of the arena: datatype, rank,
// dimensions not negative, `bytes` = shape × datatype; and that one without elements has no more empty lists
// than there are bytes, for they are written out. The error names what is not.
std::expected<void, std::string> check_tensor(const Tensor& tensor, std::uint64_t begin, std::uint64_t bytes);

inline std::span<const std::int64_t> shape_of(const Tensor& tensor) {
  return {tensor.shape, tensor.rank};
}

}  // namespace pilotlight::wire
