#include "sidecar/front/answer.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <vector>

#include "common/text/printable.h"
#include "sidecar/front/json_output.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

const OutputTensor* find(const Answer& answer, std::string_view name) {
  const auto found = std::ranges::find(answer.outputs, name, &OutputTensor::name);
  return found == answer.outputs.end() ? nullptr : &*found;
}

struct Chosen {
  const OutputTensor* tensor;
  bool binary;
};

// The probability of the likeliest class of one row, and which it is.
struct Likeliest {
  std::size_t index;
  double probability;
};

Likeliest likeliest(const OutputTensor& output, std::size_t row, std::size_t classes,
                    wire::Activation activation) {
  const auto at = [&](std::size_t i) { return element(output.datatype, output.bytes, row * classes + i); };
  std::size_t best = 0;
  for (std::size_t i = 1; i < classes; ++i) {
    if (at(i) > at(best)) best = i;
  }
  if (activation == wire::Activation::kNone) return {best, at(best)};
  double sum = 0;
  for (std::size_t i = 0; i < classes; ++i) sum += std::exp(at(i) - at(best));
  return {best, 1 / sum};
}

void append_predictions(std::string& body, const OutputTensor& output, const wire::TensorSpec& spec) {
  const auto classes = spec.labels.size();
  const auto rows = output.bytes.size() / wire::element_bytes(output.datatype) / classes;
  body += ",\"predictions\":[";
  for (std::size_t row = 0; row < rows; ++row) {
    const auto best = likeliest(output, row, classes, spec.activation);
    body += row == 0 ? "{\"label\":" : ",{\"label\":";
    append_string(body, spec.labels[best.index]);
    body += ",\"probability\":";
    append_number(body, best.probability);
    body += '}';
  }
  body += ']';
}

void append_instance(std::string& body, const OutputTensor& output, bool single) {
  const bool unwrap = single && !output.shape.empty() && output.shape[0] == 1;
  append_nested(body, output.datatype, unwrap ? output.shape.subspan(1) : output.shape, output.bytes);
}

}  // namespace

http::Response infer_answer(const InferRequest& request, const Answer& answer, std::string_view model,
                            std::string_view version) {
  std::vector<Chosen> chosen;
  if (request.outputs.empty()) {
    for (const auto& output : answer.outputs) chosen.push_back({&output, request.binary_default});
  }
  for (const auto& wanted : request.outputs) {
    const auto* tensor = find(answer, wanted.name);
    if (tensor == nullptr)
      return http::error(400, std::format("{} is no output of this model", Quoted(wanted.name)));
    chosen.push_back({tensor, wanted.binary.value_or(request.binary_default)});
  }

  http::Response response;
  auto& body = response.body;
  body += "{\"model_name\":";
  append_string(body, model);
  body += ",\"model_version\":";
  append_string(body, version);
  if (!request.id.empty()) {
    body += ",\"id\":";
    append_string(body, request.id);
  }
  body += ",\"outputs\":[";
  std::size_t binary_bytes = 0;
  bool any_binary = false;
  for (const auto& [tensor, binary] : chosen) {
    if (tensor != chosen.front().tensor) body += ',';
    body += "{\"name\":";
    append_string(body, tensor->name);
    body.append(",\"datatype\":\"").append(wire::datatype_name(tensor->datatype)).append("\",\"shape\":");
    append_shape(body, tensor->shape);
    if (binary) {
      body += std::format(",\"parameters\":{{\"binary_data_size\":{}}}", tensor->bytes.size());
      binary_bytes += tensor->bytes.size();
      any_binary = true;
    } else {
      body += ",\"data\":";
      append_flat(body, tensor->datatype, tensor->bytes);
    }
    body += '}';
  }
  body += "]}";
  if (!any_binary) return response;
  response.content_type = "application/octet-stream";
  response.fields.emplace_back(kJsonLength, std::to_string(body.size()));
  body.reserve(body.size() + binary_bytes);
  for (const auto& [tensor, binary] : chosen) {
    if (binary) body.append(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
  }
  return response;
}

http::Response predict_answer(bool single, const Answer& answer, const wire::Contract& contract) {
  http::Response response;
  auto& body = response.body;
  if (answer.outputs.size() == 1) {
    body += "{\"output\":";
    append_instance(body, answer.outputs[0], single);
  } else {
    body += "{\"outputs\":{";
    for (const auto& output : answer.outputs) {
      if (&output != &answer.outputs[0]) body += ',';
      append_string(body, output.name);
      body += ':';
      append_instance(body, output, single);
    }
    body += '}';
  }
  for (std::size_t i = 0; i < contract.outputs.size(); ++i) {
    if (!contract.outputs[i].labels.empty()) append_predictions(body, answer.outputs[i], contract.outputs[i]);
  }
  body += '}';
  return response;
}

http::Response failure_answer(Outcome outcome, std::string_view request_id) {
  const auto again = [](std::string_view message) {
    auto response = http::error(503, message);
    response.fields.emplace_back("retry-after", "1");
    return response;
  };
  switch (outcome) {
    case Outcome::kEngineLost:
      return again("the model's process ended during this request and is being started again; try again");
    case Outcome::kExpired:
      return again("the request waited for longer than its deadline");
    case Outcome::kDeadly:
      return http::error(
          422, std::format("the model's process has ended with these very inputs before (id {}): they "
                           "are refused for ten minutes; send others",
                           request_id));
    case Outcome::kOutOfMemory:
      return again("there is not enough memory for this request now; try a smaller batch");
    case Outcome::kOutputTooLarge:
      return http::error(500, "the outputs are larger than can be returned; try a smaller batch");
    case Outcome::kContractBroken:
      return http::error(500, "the model's outputs are not what its contract says");
    case Outcome::kNonFinite:
      return http::error(500, "the model's outputs hold NaN or infinity");
    case Outcome::kModelError:
    case Outcome::kOk:
      break;
  }
  return http::error(
      500, std::format("the model failed on this request (id {}); its values or shape may not suit it",
                       request_id));
}

}  // namespace pilotlight::front
