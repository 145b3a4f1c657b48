#include <algorithm>
#include <format>

#include "sidecar/front/input_slots.h"
#include "sidecar/front/request.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

class PredictReader {
 public:
  PredictReader(const wire::Contract& contract, ArenaHeap& heap, std::size_t body_bytes)
      : contract_(contract), slots_(contract, heap), body_bytes_(body_bytes) {}

  PredictRequest read(simdjson::ondemand::document& document) try {
    const auto type = document.type().value();
    if (type == json_type::array) {
      read_only_input(document.get_value().value());
    } else if (type == json_type::object) {
      read_object(document.get_object().value(), true);
    } else {
      refuse(path_, std::format("must be a list, or an object of the inputs {}", input_names(contract_)));
    }
    if (!document.at_end()) refuse(path_, "has something behind its JSON");
    PredictRequest request{.inputs = slots_.take(), .single = singles_ > 0};
    if (singles_ > 0 && batches_ > 0) refuse(path_, "some inputs are one instance and some a batch");
    return request;
  } catch (const simdjson::simdjson_error& error) {
    refuse(path_, error.error());
  }

 private:
  bool is_input(std::string_view name) const {
    return std::ranges::contains(contract_.inputs, name, &wire::TensorSpec::name);
  }

  void read_object(simdjson::ondemand::object object, bool top) {
    UniqueKeys keys;
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      keys.add(key, path_);
      if (top && !is_input(key) && (key == "instances" || key == "inputs")) {
        path_.push(key);
        value inner = field.value();
        if (inner.type() == json_type::object) {
          read_object(inner.get_object(), false);
        } else {
          read_only_input(inner);
        }
        path_.pop();
        continue;
      }
      const auto index = slots_.index(key, path_);
      path_.push(key);
      read_tensor(index, field.value());
      path_.pop();
    }
  }

  void read_only_input(value data) {
    if (contract_.inputs.size() != 1) {
      refuse(path_, std::format("must be an object of the model's inputs: {}", input_names(contract_)));
    }
    read_tensor(slots_.index(contract_.inputs[0].name, path_), data);
  }

  void read_tensor(std::size_t index, value data) {
    const auto& spec = contract_.inputs[index];
    Numbers numbers(data);
    auto shape = numbers.shape(path_);
    if (spec.shape && spec.shape->size() == shape.size() + 1 && spec.shape->front() == -1) {
      shape.insert(shape.begin(), 1);
      ++singles_;
      check_shape(spec, shape, std::span(shape).subspan(1));
      const auto type = spec.datatype.value_or(wire::Datatype::kFp32);
      const auto place = slots_.place(index, type, shape, body_bytes_, path_);
      return numbers.read(type, std::span(shape).subspan(1), false, place, path_);
    }
    ++batches_;
    check_shape(spec, shape, shape);
    const auto type = spec.datatype.value_or(wire::Datatype::kFp32);
    const auto place = slots_.place(index, type, shape, body_bytes_, path_);
    numbers.read(type, shape, false, place, path_);
  }

  void check_shape(const wire::TensorSpec& spec, std::span<const std::int64_t> shape,
                   std::span<const std::int64_t> sent) const {
    if (!spec.shape || wire::fits(spec, shape)) return;
    std::string expected = wire::shape_text(*spec.shape);
    if (!spec.shape->empty() && spec.shape->front() == -1) {
      expected += std::format(" for a batch, or {} for one instance",
                              wire::shape_text(std::span(*spec.shape).subspan(1)));
    }
    refuse(path_, std::format("the input '{}' expects the shape {}; got {}", spec.name, expected,
                              wire::shape_text(sent)));
  }

  const wire::Contract& contract_;
  InputSlots slots_;
  std::size_t body_bytes_;
  JsonPath path_;
  int singles_ = 0;
  int batches_ = 0;
};

}  // namespace

std::expected<PredictRequest, BadRequest> parse_predict(const std::string& body,
                                                        const wire::Contract& contract, ArenaHeap& heap) try {
  BodyParser parser(body.size());
  simdjson::ondemand::document document;
  if (const auto failed = parser->iterate(body.data(), body.size(), body.capacity()).get(document);
      failed != simdjson::SUCCESS) {
    refuse(JsonPath(), failed);
  }
  return PredictReader(contract, heap, body.size()).read(document);
} catch (const Refusal& refusal) {
  return std::unexpected(BadRequest{refusal.status, refusal.message});
}

}  // namespace pilotlight::front
