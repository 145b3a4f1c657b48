#include "sidecar/front/documents.h"

#include <format>
#include <nlohmann/json.hpp>

#include "sidecar/front/version.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;

constexpr std::uint64_t kExampleElements = 256;

json tensors(const std::vector<wire::TensorSpec>& specs) {
  json list = json::array();
  for (const auto& spec : specs) {
    // A bare model does not say; the protocol has no word for that but a dimension that varies.
    json one = {{"name", spec.name}, {"shape", spec.shape.value_or(std::vector<std::int64_t>{-1})}};
    if (spec.datatype) one["datatype"] = wire::datatype_name(*spec.datatype);
    list.push_back(std::move(one));
  }
  return list;
}

json number_schema(std::optional<wire::Datatype> type) {
  if (type == wire::Datatype::kBool) return {{"type", "boolean"}};
  if (type && !wire::is_floating(*type)) return {{"type", "integer"}, {"format", wire::datatype_name(*type)}};
  json schema = {{"type", "number"}};
  if (type) schema["format"] = wire::datatype_name(*type);
  return schema;
}

json nested_schema(std::span<const std::int64_t> shape, std::optional<wire::Datatype> type) {
  if (shape.empty()) return number_schema(type);
  json schema = {{"type", "array"}, {"items", nested_schema(shape.subspan(1), type)}};
  if (shape[0] >= 0) schema["minItems"] = schema["maxItems"] = shape[0];
  return schema;
}

// A tensor as nested lists: a batch, or one instance of it.
json tensor_schema(const wire::TensorSpec& spec) {
  if (!spec.shape) return {{"type", "array"}, {"description", "nested lists of numbers"}};
  json whole = nested_schema(*spec.shape, spec.datatype);
  if (spec.shape->empty() || spec.shape->front() != -1) return whole;
  return {{"oneOf", {std::move(whole), nested_schema(std::span(*spec.shape).subspan(1), spec.datatype)}}};
}

json named_schema(const std::vector<wire::TensorSpec>& specs) {
  json properties = json::object();
  json required = json::array();
  for (const auto& spec : specs) {
    properties[spec.name] = tensor_schema(spec);
    required.push_back(spec.name);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

json predict_schema(const wire::Contract& contract) {
  json any = json::array({named_schema(contract.inputs)});
  if (contract.inputs.size() == 1) {
    const auto only = tensor_schema(contract.inputs[0]);
    any.push_back(only);
    any.push_back({{"type", "object"}, {"properties", {{"instances", only}}}, {"required", {"instances"}}});
  }
  return {{"anyOf", std::move(any)}};
}

json answer_schema(const wire::Contract& contract) {
  json properties = json::object();
  if (contract.outputs.size() == 1) {
    properties["output"] = tensor_schema(contract.outputs[0]);
  } else {
    properties["outputs"] = named_schema(contract.outputs);
  }
  for (const auto& output : contract.outputs) {
    if (output.labels.empty()) continue;
    properties["predictions"] = {{"type", "array"},
                                 {"items",
                                  {{"type", "object"},
                                   {"properties",
                                    {{"label", {{"type", "string"}, {"enum", output.labels}}},
                                     {"probability", {{"type", "number"}}}}}}}};
  }
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

json body_of(json schema) {
  return {{"application/json", {{"schema", std::move(schema)}}}};
}

json post(std::string_view summary, json body, json answer) {
  const json error = {
      {"description", "What was wrong, and where"},
      {"content", body_of({{"type", "object"}, {"properties", {{"error", {{"type", "string"}}}}}})}};
  return {{"post",
           {{"summary", summary},
            {"requestBody", {{"required", true}, {"content", body_of(std::move(body))}}},
            {"responses",
             {{"200", {{"description", "The outputs"}, {"content", body_of(std::move(answer))}}},
              {"400", error},
              {"503", error}}}}}};
}

json get(std::string_view summary) {
  return {{"get", {{"summary", summary}, {"responses", {{"200", {{"description", "As asked"}}}}}}}};
}

std::string model_path(const Identity& identity) {
  return "/v2/models/" + identity.name;
}

}  // namespace

std::string index_document(const Identity& identity) {
  return json{{"model", identity.name},
              {"version", identity.revision},
              {"predict", "POST /predict"},
              {"infer", "POST " + model_path(identity) + "/infer"},
              {"metadata", "GET " + model_path(identity)},
              {"ready", "GET /v2/health/ready"},
              {"openapi", "GET /openapi.json"}}
      .dump();
}

std::string server_document() {
  return json{{"name", "pilotlight"}, {"version", kVersion}, {"extensions", {"binary_tensor_data"}}}.dump();
}

namespace {

// The names that other servers use, where there is one.
const char* platform(const json& proof) {
  const auto format = proof.is_object() ? proof.value("format", json()) : json();
  if (format == "ONNX") return "onnxruntime_onnx";
  if (format == "AOTInductor") return "pytorch_aotinductor";
  return "pytorch_torchscript";
}

}  // namespace

std::string model_document(const Identity& identity, const wire::Contract& contract, const json& proof) {
  return json{{"name", identity.name},
              {"versions", {identity.revision}},
              {"platform", platform(proof)},
              {"inputs", tensors(contract.inputs)},
              {"outputs", tensors(contract.outputs)}}
      .dump();
}

std::string openapi_document(const Identity& identity, const wire::Contract* contract) {
  json paths = {{"/v2", get("The server's name, version and extensions")},
                {"/v2/health/live", get("Whether the server runs")},
                {"/v2/health/ready", get("Whether the model is proven, warm and served")},
                {model_path(identity), get("The model's inputs and outputs")},
                {model_path(identity) + "/ready", get("Whether the model is served")}};
  if (contract != nullptr) {
    paths["/predict"] =
        post("Plain lists in, plain lists out", predict_schema(*contract), answer_schema(*contract));
    paths[model_path(identity) + "/infer"] = post(
        "Inference by the Open Inference Protocol v2, in JSON or with binary tensors",
        {{"type", "object"},
         {"required", {"inputs"}},
         {"properties",
          {{"id", {{"type", "string"}}}, {"inputs", {{"type", "array"}}}, {"outputs", {{"type", "array"}}}}}},
        {{"type", "object"}});
  }
  return json{{"openapi", "3.1.0"},
              {"info", {{"title", identity.name}, {"version", identity.revision}}},
              {"paths", std::move(paths)}}
      .dump();
}

std::string example_instance(const wire::Contract& contract) {
  json inputs = json::object();
  for (const auto& spec : contract.inputs) {
    if (!spec.shape) return {};
    auto shape = *spec.shape;
    if (!shape.empty() && shape.front() == -1) shape.erase(shape.begin());
    for (auto& size : shape) size = size == -1 ? 1 : size;
    const auto elements = wire::element_count(shape);
    if (!elements || *elements > kExampleElements) return {};
    json value = spec.datatype == wire::Datatype::kBool ? json(false) : json(0);
    for (auto size = shape.rbegin(); size != shape.rend(); ++size) {
      value = json(static_cast<std::size_t>(*size), value);
    }
    inputs[spec.name] = std::move(value);
  }
  return inputs.size() == 1 ? inputs.front().dump() : inputs.dump();
}

}  // namespace pilotlight::front
