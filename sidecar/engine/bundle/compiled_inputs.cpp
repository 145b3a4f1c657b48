#include "sidecar/engine/bundle/compiled_inputs.h"

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "common/text/printable.h"
#include "sidecar/wire/contract.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;

// Thrown inside this file only.
struct InvalidInputs {
  std::string what;
};

[[noreturn]] void invalid_inputs(const std::string& what) {
  throw InvalidInputs{what};
}

// Of a tensor that no machine could hold.
constexpr std::int64_t kLargest = std::int64_t{1} << 48;

std::int64_t size(const json& value, const std::string& where) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > kLargest) {
    invalid_inputs(where + " must be a size");
  }
  return value.get<std::int64_t>();
}

using Sizes = std::map<std::string, CompiledSize, std::less<>>;

Sizes read_sizes(const json& document) {
  Sizes sizes;
  const auto found = document.find("sizes");
  if (found == document.end()) return sizes;
  if (!found->is_object()) invalid_inputs("sizes must be an object");
  for (const auto& [name, range] : found->items()) {
    const std::string where = "sizes, " + Quoted(name);
    if (name.empty() || !range.is_array() || range.size() != 2)
      invalid_inputs(where + " must be [least, most]");
    CompiledSize& each = sizes[name];
    each = {.least = size(range[0], where), .most = size(range[1], where), .name = name};
    if (each.least > each.most) invalid_inputs(where + " is of no size");
  }
  return sizes;
}

CompiledInput read_input(const json& document, const Sizes& sizes, const std::string& where) {
  if (!document.is_object()) invalid_inputs(where + " must be an object");
  CompiledInput input;
  const auto text = [&](const char* field) -> std::string {
    const auto found = document.find(field);
    if (found == document.end() || !found->is_string())
      invalid_inputs(where + "." + field + " must be a string");
    return found->get<std::string>();
  };
  input.name = text("name");
  const auto datatype = wire::datatype_from_name(text("datatype"));
  if (!datatype) invalid_inputs(where + ".datatype must be one of " + wire::datatype_names());
  input.datatype = *datatype;
  const auto shape = document.find("shape");
  if (shape == document.end() || !shape->is_array() || shape->size() > wire::kMaxRank) {
    invalid_inputs(where + ".shape must be a list of at most " + std::to_string(wire::kMaxRank));
  }
  for (const json& each : *shape) {
    if (!each.is_string()) {
      const std::int64_t fixed = size(each, where + ".shape");
      input.shape.push_back({.least = fixed, .most = fixed, .name = {}});
      continue;
    }
    const auto found = sizes.find(each.get_ref<const std::string&>());
    if (found == sizes.end())
      invalid_inputs(where + ".shape: " + Quoted(each.get<std::string>()) + " is not in sizes");
    input.shape.push_back(found->second);
  }
  return input;
}

std::string text_of(const CompiledSize& size) {
  if (size.least == size.most) return std::to_string(size.least);
  return std::to_string(size.least) + "…" + std::to_string(size.most);
}

std::string text_of(const CompiledInput& input) {
  std::string text = std::string(wire::datatype_name(input.datatype)) + " [";
  for (std::size_t i = 0; i < input.shape.size(); ++i) text += (i > 0 ? "," : "") + text_of(input.shape[i]);
  return text + "]";
}

}  // namespace

std::expected<std::vector<CompiledInput>, std::string> read_compiled_inputs(std::string_view text) try {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) invalid_inputs("is no JSON object");
  const Sizes sizes = read_sizes(document);
  const auto inputs = document.find("inputs");
  if (inputs == document.end() || !inputs->is_array() || inputs->empty() ||
      inputs->size() > wire::kMaxTensors) {
    invalid_inputs("inputs must be a list of 1 to " + std::to_string(wire::kMaxTensors));
  }
  std::vector<CompiledInput> result;
  for (const json& each : *inputs) {
    result.push_back(read_input(each, sizes, "inputs[" + std::to_string(result.size()) + "]"));
  }
  return result;
} catch (InvalidInputs& error) {
  return std::unexpected(std::move(error.what));
}

std::expected<void, std::string> check_inputs(const std::vector<CompiledInput>& inputs,
                                              const std::vector<Given>& given) {
  if (inputs.size() != given.size()) {
    return std::unexpected("the model was compiled for " + std::to_string(inputs.size()) + " inputs, not " +
                           std::to_string(given.size()));
  }
  std::map<std::string_view, std::int64_t> named;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const CompiledInput& input = inputs[i];
    const auto& [datatype, shape] = given[i];
    bool fits = datatype == input.datatype && shape.size() == input.shape.size();
    for (std::size_t d = 0; fits && d < shape.size(); ++d) {
      fits = shape[d] >= input.shape[d].least && shape[d] <= input.shape[d].most;
    }
    if (!fits) {
      return std::unexpected("input " + Quoted(input.name) + " is " +
                             std::string(wire::datatype_name(datatype)) + " " + wire::shape_text(shape) +
                             "; the model was compiled for " + text_of(input));
    }
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const std::string& name = input.shape[d].name;
      if (name.empty() || named.emplace(name, shape[d]).first->second == shape[d]) continue;
      return std::unexpected("dimension " + std::to_string(d) + " of input " + Quoted(input.name) + " is " +
                             std::to_string(shape[d]) + ", but must be " + std::to_string(named[name]) +
                             " as elsewhere (" + Quoted(name) + ")");
    }
  }
  return {};
}

}  // namespace pilotlight::engine
