#include "sidecar/front/split/kept_answer.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "sidecar/front/answer.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;

// Of as many outputs with as long names as there may be.
constexpr std::size_t kMostHead = 64 * 1024;

std::optional<std::size_t> head_bytes(const http::Response& response) {
  const auto found =
      std::ranges::find_if(response.fields, [](const auto& field) { return field.first == kJsonLength; });
  if (found == response.fields.end()) return std::nullopt;
  const auto& text = found->second;
  std::size_t bytes = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return bytes;
}

const json& member(const json& object, const char* name) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::optional<std::vector<std::int64_t>> shape_of(const json& list) {
  if (!list.is_array() || list.size() > wire::kMaxRank) return std::nullopt;
  std::vector<std::int64_t> shape;
  for (const auto& size : list) {
    if (!size.is_number_unsigned() || !std::in_range<std::int64_t>(size.get<std::uint64_t>()))
      return std::nullopt;
    shape.push_back(size.get<std::int64_t>());
  }
  return shape;
}

}  // namespace

KeptAnswer KeptAnswer::copy_of(std::span<const OutputTensor> outputs) {
  KeptAnswer kept;
  for (const auto& output : outputs) {
    kept.outputs_.push_back({.name = std::string(output.name),
                             .datatype = output.datatype,
                             .shape = {output.shape.begin(), output.shape.end()},
                             .begin = kept.bytes_.size(),
                             .size = output.bytes.size()});
    kept.bytes_.append(reinterpret_cast<const char*>(output.bytes.data()), output.bytes.size());
  }
  return kept;
}

std::expected<KeptAnswer, std::string> KeptAnswer::read(http::Response response) {
  const auto length = head_bytes(response);
  if (!length || *length > response.body.size() || *length > kMostHead) {
    return std::unexpected("it is not JSON with binary tensors behind it");
  }
  const auto head = json::parse(response.body.begin(),
                                response.body.begin() + static_cast<std::ptrdiff_t>(*length), nullptr, false);
  const auto& list = member(head, "outputs");
  if (!list.is_array() || list.size() > wire::kMaxTensors)
    return std::unexpected("it has no list of outputs");
  KeptAnswer kept;
  auto at = *length;
  for (const auto& entry : list) {
    const auto& name = member(entry, "name");
    const auto& type = member(entry, "datatype");
    const auto datatype =
        wire::datatype_from_name(type.is_string() ? type.get<std::string>() : std::string());
    auto shape = shape_of(member(entry, "shape"));
    if (!name.is_string() || !datatype || !shape) {
      return std::unexpected("an output is without name, datatype or shape");
    }
    const auto size = wire::byte_count(*datatype, *shape);
    if (!size || *size > response.body.size() - at) return std::unexpected("an output's bytes are not there");
    kept.outputs_.push_back({.name = name.get<std::string>(),
                             .datatype = *datatype,
                             .shape = *std::move(shape),
                             .begin = at,
                             .size = static_cast<std::size_t>(*size)});
    at += static_cast<std::size_t>(*size);
  }
  if (at != response.body.size()) return std::unexpected("something follows its outputs");
  kept.bytes_ = std::move(response.body);
  return kept;
}

std::vector<OutputTensor> KeptAnswer::outputs() const {
  std::vector<OutputTensor> outputs;
  for (const auto& output : outputs_) {
    outputs.push_back({.name = output.name,
                       .datatype = output.datatype,
                       .shape = output.shape,
                       .bytes = std::as_bytes(std::span(bytes_)).subspan(output.begin, output.size)});
  }
  return outputs;
}

}  // namespace pilotlight::front
