#include <algorithm>
#include <cstring>
#include <format>

#include "sidecar/front/input_slots.h"
#include "sidecar/front/request.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

// One element of "inputs", but for its data.
struct InputHead {
  std::optional<std::string> name;
  std::optional<wire::Datatype> datatype;
  std::optional<std::vector<std::int64_t>> shape;
  std::optional<std::uint64_t> binary_bytes;
  bool has_data = false;
};

std::string_view read_string(value text, const JsonPath& path) {
  std::string_view result;
  if (text.get_string().get(result) != simdjson::SUCCESS) refuse(path, "must be a string");
  return result;
}

bool read_bool(value flag, const JsonPath& path) {
  bool result = false;
  if (flag.get_bool().get(result) != simdjson::SUCCESS) refuse(path, "must be true or false");
  return result;
}

std::vector<std::int64_t> read_shape(value shape, JsonPath& path) {
  std::vector<std::int64_t> result;
  if (shape.type() != json_type::array) refuse(path, "must be a list of whole numbers");
  for (value element : shape.get_array()) {
    if (result.size() == wire::kMaxRank) {
      refuse(path, std::format("has more than the {} dimensions that are supported", wire::kMaxRank));
    }
    path.push(result.size());
    std::int64_t size = 0;
    if (element.get_int64().get(size) != simdjson::SUCCESS || size < 0) {
      refuse(path, std::format("must be a whole number from 1, is {}", shown(element.raw_json_token())));
    }
    path.pop();
    result.push_back(size);
  }
  return result;
}

InputHead read_head(simdjson::ondemand::object input, JsonPath& path) {
  InputHead head;
  UniqueKeys keys;
  for (auto field : input) {
    const std::string_view key = field.unescaped_key();
    keys.add(key, path);
    path.push(key);
    if (key == "name") {
      head.name = read_string(field.value(), path);
    } else if (key == "datatype") {
      const auto name = read_string(field.value(), path);
      head.datatype = wire::datatype_from_name(name);
      if (!head.datatype) {
        refuse(path, std::format("'{}' is not one of {}", shown(name), wire::datatype_names()));
      }
    } else if (key == "shape") {
      head.shape = read_shape(field.value(), path);
    } else if (key == "data") {
      head.has_data = true;  // read later, when its shape is known
    } else if (key == "parameters") {
      read_parameters(field.value(), path, [&](std::string_view name, value parameter) {
        if (name != "binary_data_size") return false;
        std::uint64_t bytes = 0;
        if (parameter.get_uint64().get(bytes) != simdjson::SUCCESS) refuse(path, "must be a number of bytes");
        head.binary_bytes = bytes;
        return true;
      });
    } else {
      pass_over(field.value(), path);
    }
    path.pop();
  }
  if (!head.name) refuse(path, "has no name");
  return head;
}

// Reads one request. `binary` is what follows the JSON.
class InferReader {
 public:
  InferReader(const wire::Contract& contract, ArenaHeap& heap, std::size_t json_bytes,
              std::string_view binary)
      : contract_(contract), slots_(contract, heap), json_bytes_(json_bytes), binary_(binary) {}

  InferRequest read(simdjson::ondemand::document& document) try {
    simdjson::ondemand::object top;
    if (const auto failed = document.get_object().get(top); failed != simdjson::SUCCESS) {
      if (failed == simdjson::INCORRECT_TYPE) refuse(path_, "must be a JSON object");
      refuse(path_, failed);
    }
    UniqueKeys keys;
    bool has_inputs = false;
    for (auto field : top) {
      const std::string_view key = field.unescaped_key();
      keys.add(key, path_);
      path_.push(key);
      if (key == "id") {
        request_.id = read_string(field.value(), path_);
        if (request_.id.size() > 256) refuse(path_, "is longer than 256 bytes");
      } else if (key == "inputs") {
        has_inputs = true;
        read_inputs(field.value());
      } else if (key == "outputs") {
        read_outputs(field.value());
      } else if (key == "parameters") {
        read_parameters(field.value(), path_, [&](std::string_view name, value parameter) {
          if (name != "binary_data_output") return false;
          request_.binary_default = read_bool(parameter, path_);
          return true;
        });
      } else {
        pass_over(field.value(), path_);
      }
      path_.pop();
    }
    if (!document.at_end()) refuse(path_, "has something behind its JSON");
    if (!has_inputs) refuse(path_, "has no field 'inputs'");
    if (!binary_.empty()) {
      refuse(path_,
             std::format("{} bytes follow the last binary input; the sum of all binary_data_size must be the "
                         "rest of the body",
                         binary_.size()));
    }
    request_.inputs = slots_.take();
    return std::move(request_);
  } catch (const simdjson::simdjson_error& error) {
    refuse(path_, error.error());
  }

 private:
  void read_inputs(value inputs) {
    if (inputs.type() != json_type::array) refuse(path_, "must be a list");
    std::size_t count = 0;
    for (value element : inputs.get_array()) {
      path_.push(count++);
      if (element.type() != json_type::object) refuse(path_, "must be an object");
      simdjson::ondemand::object input = element.get_object();
      read_input(input);
      path_.pop();
    }
  }

  void read_input(simdjson::ondemand::object& input) {
    const auto head = read_head(input, path_);
    const auto index = slots_.index(*head.name, path_);
    if (!head.datatype) refuse(path_, "has no datatype");
    if (!head.shape) refuse(path_, "has no shape");
    if (head.has_data == head.binary_bytes.has_value()) {
      refuse(path_, "must have either data or parameters.binary_data_size");
    }
    if (head.binary_bytes) return read_binary(index, head);
    const auto place = slots_.place(index, *head.datatype, *head.shape, json_bytes_, path_);
    input.reset();
    path_.push("data");
    Numbers(input.find_field_unordered("data").value()).read(*head.datatype, *head.shape, true, place, path_);
    path_.pop();
  }

  void read_binary(std::size_t index, const InputHead& head) {
    path_.push("parameters");
    path_.push("binary_data_size");
    if (*head.binary_bytes > binary_.size()) {
      refuse(path_, std::format("is {}, but only {} bytes are left of the body", *head.binary_bytes,
                                binary_.size()));
    }
    const auto needed = wire::byte_count(*head.datatype, *head.shape);
    if (needed != head.binary_bytes) {
      refuse(path_, std::format("is {}, but {} of shape {} has {} bytes", *head.binary_bytes,
                                wire::datatype_name(*head.datatype), wire::shape_text(*head.shape),
                                needed ? std::to_string(*needed) : std::string("too many")));
    }
    path_.pop();
    path_.pop();
    const auto place = slots_.place(index, *head.datatype, *head.shape, json_bytes_ + binary_.size(), path_);
    std::memcpy(place.data(), binary_.data(), place.size());
    check_booleans(*head.datatype, place, path_);
    binary_.remove_prefix(place.size());
  }

  // A bool in memory is 0 or 1; C++ code that meets another value is undefined.
  static void check_booleans(wire::Datatype type, std::span<const std::byte> bytes, const JsonPath& path) {
    if (type != wire::Datatype::kBool) return;
    if (std::ranges::any_of(bytes, [](std::byte byte) { return byte > std::byte{1}; })) {
      refuse(path, "a BOOL must be 0 or 1");
    }
  }

  void read_outputs(value outputs) {
    if (outputs.type() != json_type::array) refuse(path_, "must be a list");
    std::size_t count = 0;
    for (value element : outputs.get_array()) {
      path_.push(count++);
      if (element.type() != json_type::object) refuse(path_, "must be an object");
      read_output(element.get_object());
      path_.pop();
      if (count > wire::kMaxTensors)
        refuse(path_, std::format("has more than {} elements", wire::kMaxTensors));
    }
  }

  void read_output(simdjson::ondemand::object output) {
    WantedOutput wanted;
    UniqueKeys keys;
    for (auto field : output) {
      const std::string_view key = field.unescaped_key();
      keys.add(key, path_);
      path_.push(key);
      if (key == "name") {
        wanted.name = read_string(field.value(), path_);
      } else if (key == "parameters") {
        read_parameters(field.value(), path_, [&](std::string_view name, value parameter) {
          if (name == "classification")
            refuse(path_, "is not offered; use /predict, which answers with labels");
          if (name != "binary_data") return false;
          wanted.binary = read_bool(parameter, path_);
          return true;
        });
      } else {
        pass_over(field.value(), path_);
      }
      path_.pop();
    }
    if (wanted.name.empty()) refuse(path_, "has no name");
    if (!contract_.outputs.empty() &&
        !std::ranges::contains(contract_.outputs, wanted.name, &wire::TensorSpec::name)) {
      refuse(path_, std::format("'{}' is no output of this model", shown(wanted.name)));
    }
    if (std::ranges::contains(request_.outputs, wanted.name, &WantedOutput::name)) {
      refuse(path_, std::format("the output '{}' is there twice", shown(wanted.name)));
    }
    request_.outputs.push_back(std::move(wanted));
  }

  const wire::Contract& contract_;
  InputSlots slots_;
  std::size_t json_bytes_;
  std::string_view binary_;
  JsonPath path_;
  InferRequest request_;
};

// The body is the one input's bytes; its shape follows from the contract and their number.
InferRequest read_raw(const std::string& body, const wire::Contract& contract, ArenaHeap& heap) {
  const JsonPath path;
  if (contract.inputs.size() != 1 || !contract.inputs[0].shape || !contract.inputs[0].datatype) {
    refuse(path, "a request without JSON needs a model with one input of known shape");
  }
  const auto& spec = contract.inputs[0];
  auto shape = *spec.shape;
  const auto open = std::ranges::find(shape, -1);
  if (std::ranges::count(shape, -1) > 1)
    refuse(path, "a request without JSON needs a shape with at most one -1");
  if (open != shape.end()) {
    *open = 1;
    const auto one = wire::byte_count(*spec.datatype, shape).value_or(0);
    if (one == 0 || body.size() % one != 0) {
      refuse(path, std::format("{} bytes are not a multiple of the {} of one instance", body.size(), one));
    }
    *open = static_cast<std::int64_t>(body.size() / one);
  }
  if (wire::byte_count(*spec.datatype, shape) != body.size()) {
    refuse(path, std::format("{} bytes are not {} of shape {}", body.size(),
                             wire::datatype_name(*spec.datatype), wire::shape_text(*spec.shape)));
  }
  InputSlots slots(contract, heap);
  const auto place = slots.place(slots.index(spec.name, path), *spec.datatype, shape, body.size(), path);
  std::memcpy(place.data(), body.data(), place.size());
  InferRequest request{.id = {}, .inputs = slots.take(), .outputs = {}, .binary_default = true};
  return request;
}

}  // namespace

std::expected<InferRequest, BadRequest> parse_infer(const std::string& body,
                                                    std::optional<std::uint64_t> json_bytes,
                                                    const wire::Contract& contract, ArenaHeap& heap) try {
  if (json_bytes == 0) return read_raw(body, contract, heap);
  const auto length = static_cast<std::size_t>(json_bytes.value_or(body.size()));
  if (length > body.size()) {
    return std::unexpected(BadRequest{
        400,
        std::format("Inference-Header-Content-Length is {}, the body has {} bytes", length, body.size())});
  }
  BodyParser parser(length);
  simdjson::ondemand::document document;
  const JsonPath top;
  if (const auto failed = parser->iterate(body.data(), length, body.capacity()).get(document);
      failed != simdjson::SUCCESS) {
    refuse(top, failed);
  }
  return InferReader(contract, heap, length, std::string_view(body).substr(length)).read(document);
} catch (const Refusal& refusal) {
  return std::unexpected(BadRequest{refusal.status, refusal.message});
}

}  // namespace pilotlight::front
