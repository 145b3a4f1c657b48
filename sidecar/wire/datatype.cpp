#include "sidecar/wire/datatype.h"

#include <algorithm>
#include <array>

namespace pilotlight::wire {
namespace {

struct Row {
  std::string_view name;
  std::uint32_t bytes;
  bool floating;
};

constexpr std::array kDatatypes = {Datatype::kBool,  Datatype::kUint8, Datatype::kInt8, Datatype::kInt16,
                                   Datatype::kInt32, Datatype::kInt64, Datatype::kFp16, Datatype::kBf16,
                                   Datatype::kFp32,  Datatype::kFp64};

// In the order of kDatatypes, which starts at 1.
constexpr std::array<Row, kDatatypes.size()> kRows = {{{"BOOL", 1, false},
                                                       {"UINT8", 1, false},
                                                       {"INT8", 1, false},
                                                       {"INT16", 2, false},
                                                       {"INT32", 4, false},
                                                       {"INT64", 8, false},
                                                       {"FP16", 2, true},
                                                       {"BF16", 2, true},
                                                       {"FP32", 4, true},
                                                       {"FP64", 8, true}}};

const Row* row(Datatype type) {
  const auto number = static_cast<std::uint32_t>(type);
  if (number < 1 || number > kRows.size()) return nullptr;
  return &kRows[number - 1];
}

}  // namespace

std::span<const Datatype> all_datatypes() {
  return kDatatypes;
}

bool is_datatype(Datatype type) {
  return row(type) != nullptr;
}

std::uint32_t element_bytes(Datatype type) {
  const Row* found = row(type);
  return found == nullptr ? 0 : found->bytes;
}

std::string_view datatype_name(Datatype type) {
  const Row* found = row(type);
  return found == nullptr ? std::string_view() : found->name;
}

std::optional<Datatype> datatype_from_name(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &Row::name);
  if (found == kRows.end()) return std::nullopt;
  return kDatatypes[static_cast<std::size_t>(found - kRows.begin())];
}

std::string datatype_names() {
  std::string text;
  for (const Row& each : kRows) text.append(text.empty() ? "" : ", ").append(each.name);
  return text;
}

bool is_floating(Datatype type) {
  const Row* found = row(type);
  return found != nullptr && found->floating;
}

std::optional<std::uint64_t> written_count(std::span<const std::int64_t> shape) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size == 0 ? 1 : size), &count)) {
      return std::nullopt;
    }
  }
  return count;
}

std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape) {
  // A dimension of zero makes any shape empty, but one whose other dimensions overflow is still nonsense.
  const auto count = written_count(shape);
  return count && std::ranges::contains(shape, 0) ? 0 : count;
}

std::optional<std::uint64_t> byte_count(Datatype type, std::span<const std::int64_t> shape) {
  const Row* found = row(type);
  const auto count = element_count(shape);
  std::uint64_t bytes = 0;
  if (found == nullptr || !count || __builtin_mul_overflow(*count, found->bytes, &bytes)) return std::nullopt;
  return bytes;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ',';
    text += std::to_string(size);
  }
  return text + "]";
}

}  // namespace pilotlight::wire
