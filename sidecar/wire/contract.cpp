#include "sidecar/wire/contract.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <ranges>
#include <set>
#include <utility>

#include "common/text/printable.h"
#include "sidecar/wire/datatype.h"
#include "sidecar/wire/invalid.h"

namespace pilotlight::wire {
namespace {

using nlohmann::json;

void known_fields(const json& object, const std::string& where,
                  std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end()) refuse(where, "unknown field " + Quoted(key));
  }
}

std::string read_name(const json& object, const std::string& where) {
  const auto found = object.find("name");
  if (found == object.end() || !found->is_string()) refuse(where + ".name", "must be a string");
  auto name = found->get<std::string>();
  if (name.empty() || name.size() >= kNameBytes || !IsPrintable(name)) {
    refuse(where + ".name",
           "must have 1 to " + std::to_string(kNameBytes - 1) + " bytes of UTF-8 and no control characters");
  }
  return name;
}

std::optional<Datatype> read_datatype(const json& object, const std::string& where, bool strict) {
  const auto found = object.find("datatype");
  if (found == object.end() && !strict) return std::nullopt;
  if (found == object.end() || !found->is_string()) {
    refuse(where + ".datatype", "must be one of " + datatype_names());
  }
  const auto name = found->get<std::string>();
  const auto type = datatype_from_name(name);
  if (!type) refuse(where + ".datatype", Quoted(name) + " is not one of " + datatype_names());
  return type;
}

std::optional<std::vector<std::int64_t>> read_shape(const json& object, const std::string& where,
                                                    bool strict) {
  const auto found = object.find("shape");
  if (found == object.end() && !strict) return std::nullopt;
  if (found == object.end() || !found->is_array())
    refuse(where + ".shape", "must be a list of whole numbers");
  if (found->size() > kMaxRank) {
    refuse(where + ".shape", std::to_string(found->size()) + " dimensions; at most " +
                                 std::to_string(kMaxRank) + " are supported");
  }
  std::vector<std::int64_t> shape;
  for (const json& size : *found) {
    // Above the largest, a number would wrap into one that is allowed.
    const bool wraps = size.is_number_unsigned() && size.get<std::uint64_t>() > INT64_MAX;
    if (!size.is_number_integer() || wraps || size.get<std::int64_t>() < -1) {
      refuse(where + ".shape[" + std::to_string(shape.size()) + "]", "must be -1 or a whole number from 0");
    }
    shape.push_back(size.get<std::int64_t>());
  }
  // A shape whose fixed part overflows could never be allocated, and its product must not be computed later.
  auto fixed = shape | std::views::filter([](std::int64_t size) { return size > 0; });
  if (!byte_count(Datatype::kFp64, std::vector<std::int64_t>(fixed.begin(), fixed.end()))) {
    refuse(where + ".shape", shape_text(shape) + " is too large");
  }
  return shape;
}

void read_labels(const json& object, const std::string& where, TensorSpec& spec) {
  const auto found = object.find("labels");
  if (found != object.end() && !(found->is_array() && found->empty())) {
    if (!found->is_array()) refuse(where + ".labels", "must be a list of strings");
    for (const json& label : *found) {
      if (!label.is_string()) {
        refuse(where + ".labels[" + std::to_string(spec.labels.size()) + "]", "must be a string (quote it)");
      }
      spec.labels.push_back(label.get<std::string>());
    }
    const bool one_row = spec.shape && spec.shape->size() == 1;
    const bool rows = spec.shape && spec.shape->size() == 2 && spec.shape->front() == -1;
    if (!one_row && !rows) {
      refuse(where + ".labels", "only an output of shape [-1,n] or [n] can have labels");
    }
    const auto count = static_cast<std::int64_t>(spec.labels.size());
    if (spec.shape->back() != count) {
      refuse(where + ".labels",
             std::to_string(count) + " labels for a last dimension of " + std::to_string(spec.shape->back()));
    }
  }
  const auto activation = object.find("activation");
  if (activation == object.end()) return;
  if (*activation == "none") {
    spec.activation = Activation::kNone;
  } else if (*activation != "softmax") {
    refuse(where + ".activation", "must be softmax or none");
  }
}

std::vector<TensorSpec> read_list(const json& document, const std::string& field, bool strict) {
  std::vector<TensorSpec> list;
  const auto found = document.find(field);
  if (found == document.end() && !strict) return list;
  if (found == document.end() || !found->is_array()) refuse(field, "must be a list");
  if (strict && found->empty()) refuse(field, "must name at least one tensor");
  if (found->size() > kMaxTensors) {
    refuse(field, std::to_string(found->size()) + " tensors; at most " + std::to_string(kMaxTensors));
  }
  std::set<std::string> names;
  for (const json& each : *found) {
    const std::string where = field + "[" + std::to_string(list.size()) + "]";
    if (!each.is_object()) refuse(where, "must be an object with name, datatype and shape");
    if (strict && field == "inputs") known_fields(each, where, {"name", "datatype", "shape"});
    if (strict && field == "outputs") {
      known_fields(each, where, {"name", "datatype", "shape", "labels", "activation"});
    }
    TensorSpec spec{.name = read_name(each, where), .datatype = {}, .shape = {}, .labels = {}};
    if (!names.insert(spec.name).second) refuse(where + ".name", Quoted(spec.name) + " is there twice");
    spec.datatype = read_datatype(each, where, strict);
    spec.shape = read_shape(each, where, strict);
    if (field == "outputs") read_labels(each, where, spec);
    list.push_back(std::move(spec));
  }
  return list;
}

json list_json(const std::vector<TensorSpec>& list) {
  json result = json::array();
  for (const TensorSpec& spec : list) {
    json each = {{"name", spec.name}};
    if (spec.datatype) each["datatype"] = datatype_name(*spec.datatype);
    if (spec.shape) each["shape"] = *spec.shape;
    if (!spec.labels.empty()) each["labels"] = spec.labels;
    if (spec.activation == Activation::kNone) each["activation"] = "none";
    result.push_back(std::move(each));
  }
  return result;
}

}  // namespace

bool has_batch_dimension(const Contract& contract) {
  const auto batched = [](const TensorSpec& spec) {
    return spec.shape && !spec.shape->empty() && spec.shape->front() == -1;
  };
  return !contract.inputs.empty() && !contract.outputs.empty() &&
         std::ranges::all_of(contract.inputs, batched) && std::ranges::all_of(contract.outputs, batched);
}

bool only_batch_varies(const Contract& contract) {
  const auto varying = has_batch_dimension(contract) ? 1 : 0;
  return std::ranges::all_of(contract.inputs, [varying](const TensorSpec& spec) {
    return spec.shape && std::ranges::count(*spec.shape, -1) == varying;
  });
}

bool fits(const TensorSpec& spec, std::span<const std::int64_t> shape) {
  if (!spec.shape) return true;
  return std::ranges::equal(*spec.shape, shape, [](std::int64_t want, std::int64_t is) {
    return is >= 0 && (want == -1 || want == is);
  });
}

json to_json(const Contract& contract) {
  return {{"inputs", list_json(contract.inputs)}, {"outputs", list_json(contract.outputs)}};
}

std::expected<Contract, std::string> contract_from_json(const json& document, bool strict) try {
  if (!document.is_object()) return std::unexpected("must be an object with inputs and outputs");
  if (strict) known_fields(document, "contract", {"inputs", "outputs"});
  Contract contract{.inputs = read_list(document, "inputs", strict),
                    .outputs = read_list(document, "outputs", strict)};
  if (std::ranges::count_if(contract.outputs, [](const TensorSpec& spec) { return !spec.labels.empty(); }) >
      1) {
    refuse("outputs", "only one output can have labels");
  }
  return contract;
} catch (const Invalid& invalid) {
  return std::unexpected(invalid.what);
}

}  // namespace pilotlight::wire
