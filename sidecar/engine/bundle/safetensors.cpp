#include "sidecar/engine/bundle/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "common/text/printable.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;
using wire::Datatype;

static_assert(std::endian::native == std::endian::little);

constexpr std::array<std::pair<std::string_view, Datatype>, 10> kNames = {{{"BOOL", Datatype::kBool},
                                                                           {"U8", Datatype::kUint8},
                                                                           {"I8", Datatype::kInt8},
                                                                           {"I16", Datatype::kInt16},
                                                                           {"I32", Datatype::kInt32},
                                                                           {"I64", Datatype::kInt64},
                                                                           {"F16", Datatype::kFp16},
                                                                           {"BF16", Datatype::kBf16},
                                                                           {"F32", Datatype::kFp32},
                                                                           {"F64", Datatype::kFp64}}};

struct Malformed {
  std::string what;
};

// A number that may be as large as the file format allows, but no larger than we can hold.
std::optional<std::uint64_t> size_of(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto size = value.get<std::uint64_t>();
  if (size > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return size;
}

std::uint64_t header_bytes(std::span<const std::byte> file) {
  std::uint64_t size = 0;
  if (file.size() < sizeof size) throw Malformed{"the file is too short"};
  std::memcpy(&size, file.data(), sizeof size);
  if (size > kMaxSafetensorsHeader) {
    throw Malformed{"a header of " + std::to_string(size) + " bytes; at most " +
                    std::to_string(kMaxSafetensorsHeader)};
  }
  if (size > file.size() - sizeof size) throw Malformed{"the header is cut off"};
  return size;
}

// The depth and the number of values in the header bound its memory before it is built.
json parse_header(std::string_view text) {
  constexpr int kMaxDepth = 4;
  std::array<std::set<std::string, std::less<>>, kMaxDepth + 2>
      keys;  // of the object being read at each depth
  const auto within = [&](int depth, json::parse_event_t event, const json& parsed) {
    if (depth > kMaxDepth) throw Malformed{"the header is nested too deeply"};
    const auto at = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start) keys[at + 1].clear();
    if (event != json::parse_event_t::key) return true;
    const auto& key = parsed.get_ref<const std::string&>();
    // Other readers may take the other one.
    if (!keys[at].insert(key).second) throw Malformed{"the header has the key " + Quoted(key) + " twice"};
    return true;
  };
  json header = json::parse(text, within, false);
  if (!header.is_object()) throw Malformed{"the header is not a JSON object"};
  return header;
}

Datatype datatype_of(const json& entry, const std::string& where) {
  const auto found = entry.find("dtype");
  const auto name = found != entry.end() && found->is_string() ? found->get<std::string>() : "";
  const auto row = std::ranges::find(kNames, name, &std::pair<std::string_view, Datatype>::first);
  if (row == kNames.end()) throw Malformed{where + "dtype " + Quoted(name) + " is not supported"};
  return row->second;
}

std::vector<std::int64_t> shape_of(const json& entry, const std::string& where) {
  const auto found = entry.find("shape");
  if (found == entry.end() || !found->is_array()) throw Malformed{where + "shape must be a list"};
  if (found->size() > wire::kMaxRank) {
    throw Malformed{where + std::to_string(found->size()) + " dimensions; at most " +
                    std::to_string(wire::kMaxRank)};
  }
  std::vector<std::int64_t> shape;
  for (const json& each : *found) {
    const auto size = size_of(each);
    if (!size) throw Malformed{where + "shape must hold whole numbers from 0"};
    shape.push_back(static_cast<std::int64_t>(*size));
  }
  return shape;
}

std::span<const std::byte> data_of(const json& entry, const std::string& where,
                                   std::span<const std::byte> data) {
  const auto found = entry.find("data_offsets");
  if (found == entry.end() || !found->is_array() || found->size() != 2) {
    throw Malformed{where + "data_offsets must be two numbers"};
  }
  const auto begin = size_of((*found)[0]);
  const auto end = size_of((*found)[1]);
  if (!begin || !end || *begin > *end || *end > data.size()) {
    throw Malformed{where + "data_offsets lie outside the file"};
  }
  return data.subspan(*begin, *end - *begin);
}

StoredTensor read_tensor(const json& entry, const std::string& name, std::span<const std::byte> data) {
  const std::string where = "tensor " + Quoted(name) + ": ";
  if (!entry.is_object()) throw Malformed{where + "must be an object"};
  StoredTensor tensor{.datatype = datatype_of(entry, where),
                      .shape = shape_of(entry, where),
                      .data = data_of(entry, where, data)};
  const auto bytes = wire::byte_count(tensor.datatype, tensor.shape);
  if (!bytes || *bytes != tensor.data.size()) {
    throw Malformed{where + std::to_string(tensor.data.size()) + " bytes for shape " +
                    wire::shape_text(tensor.shape) + " of " +
                    std::string(wire::datatype_name(tensor.datatype))};
  }
  return tensor;
}

// The format demands it, and it keeps bytes from hiding between tensors.
void check_layout(const StoredTensors& tensors, std::span<const std::byte> data) {
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  ranges.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    ranges.emplace_back(tensor.data.data() - data.data(), tensor.data.size());
  }
  std::ranges::sort(ranges);
  std::size_t next = 0;
  for (const auto& [begin, size] : ranges) {
    if (begin != next) throw Malformed{"tensors overlap or leave a gap at byte " + std::to_string(next)};
    next = begin + size;
  }
  if (next != data.size()) throw Malformed{"bytes are left over after the last tensor"};
}

}  // namespace

std::expected<StoredTensors, std::string> read_safetensors(std::span<const std::byte> file) try {
  const std::uint64_t size = header_bytes(file);
  const auto* start = reinterpret_cast<const char*>(file.data()) + sizeof size;
  const json header = parse_header(std::string_view(start, size));
  const auto data = file.subspan(sizeof size + size);
  StoredTensors tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    tensors.emplace(name, read_tensor(entry, name, data));
  }
  check_layout(tensors, data);
  return tensors;
} catch (const Malformed& malformed) {
  return std::unexpected(malformed.what);
}

}  // namespace pilotlight::engine
