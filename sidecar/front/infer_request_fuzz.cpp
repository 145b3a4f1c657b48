// Requests of the Open Inference Protocol, in JSON and with binary tensors: what is accepted is JSON for
// another parser as well, keeps to the contract, and is read the same when it is written again.

#include "sidecar/front/request_fuzz.h"

namespace pilotlight::fuzz {
namespace {

// The request with these inputs, the tensors as JSON or behind it.
std::pair<std::string, std::size_t> written(const front::Inputs& inputs, const wire::Contract& contract,
                                            bool binary) {
  std::string body = R"({"inputs":[)";
  std::string behind;
  for (std::size_t i = 0; i < inputs.tensors.size(); ++i) {
    const auto& tensor = inputs.tensors[i];
    const auto data = arena().bytes().subspan(tensor.offset, tensor.bytes);
    body += (i > 0 ? ",{\"name\":" : "{\"name\":");
    front::append_string(body, contract.inputs[i].name);
    body.append(",\"datatype\":\"").append(wire::datatype_name(tensor.datatype)).append("\",\"shape\":");
    front::append_shape(body, wire::shape_of(tensor));
    if (binary) {
      body += ",\"parameters\":{\"binary_data_size\":" + std::to_string(tensor.bytes) + "}}";
      behind.append(reinterpret_cast<const char*>(data.data()), data.size());
    } else {
      body += ",\"data\":";
      front::append_flat(body, tensor.datatype, data);
      body += "}";
    }
  }
  body += "]}";
  const auto json_bytes = body.size();
  return {padded(body + behind), json_bytes};
}

// By the second byte: none, up to the last brace, 0, or a number of the input's own.
std::optional<std::uint64_t> json_length(char mode, std::string_view body) {
  switch (static_cast<unsigned char>(mode) % 4) {
    case 0:
      return std::nullopt;
    case 1:
      return body.rfind('}') + 1;
    case 2:
      return 0;
    default:
      return body.size() - std::min<std::size_t>(body.size(), static_cast<unsigned char>(mode) / 4);
  }
}

void check_accepted(const front::InferRequest& request, const wire::Contract& contract,
                    front::ArenaHeap& heap) {
  check_inputs(request.inputs, contract);
  require(request.id.size() <= 256 && is_utf8(request.id), "an id is within its limit");
  require(request.outputs.size() <= wire::kMaxTensors + 1, "the outputs are within their limit");
  const auto values = values_of(request.inputs);
  for (const bool binary : {true, false}) {
    const auto [body, json_bytes] = written(request.inputs, contract, binary);
    if (!binary && body.contains("null")) continue;  // NaN and infinity come in binary only
    const auto again = front::parse_infer(body, json_bytes, contract, heap);
    if (!again && again.error().status == 503) continue;  // no room for both
    // An empty tensor in JSON has fewer bytes than its dimensions, which is what is refused in large ones.
    if (!again && !binary && std::ranges::contains(values, std::string())) continue;
    require(again.has_value(), again ? "" : again.error().message + ", in " + body);
    require(values_of(again->inputs) == values, "inputs are read as they were written");
  }
}

}  // namespace

void run(std::string_view input) {
  if (input.size() < 2) return;
  const auto& contract = chosen_contract(input[0]);
  const auto body = padded(input.substr(2));
  const auto json_bytes = json_length(input[1], body);
  front::ArenaHeap heap(arena().bytes(), 0, kArenaBytes);
  if (const auto request = front::parse_infer(body, json_bytes, contract, heap); !request) {
    check_refusal(request.error());
  } else {
    if (json_bytes != 0) {
      require(nlohmann::json::accept(body.substr(0, json_bytes.value_or(body.size()))),
              "what is accepted is JSON");
    }
    check_accepted(*request, contract, heap);
  }
  check_empty(heap);
}

std::vector<std::string> seeds() {
  const auto binary = [](std::string_view head, std::size_t bytes) {
    return "01" + std::string(head) + std::string(bytes, '\1');
  };
  return {
      R"(00{"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[2,3],"data":[1,2.5,-3e2,0,1e-40,6]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]})",
      R"(00{"inputs":[{"data":[[1,2,3]],"shape":[1,3],"datatype":"FP32","name":"x","parameters":{"a":{"b":[null,true,"c"]}}}],"parameters":{"binary_data_output":true},"more":[1,{"x":2}]})",
      binary(
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":12}}]})",
          12),
      R"(10{"inputs":[{"name":"mask","datatype":"BOOL","shape":[1,2,2],"data":[true,false,[true],false]},{"name":"x","datatype":"INT64","shape":[1],"data":[-9223372036854775808]}]})",
      R"(10{"inputs":[{"name":"mask","datatype":"BOOL","shape":[1,2,2],"data":[[[true,false],[true,false]]]},{"name":"x","datatype":"INT64","shape":[1],"data":[7]}]})",
      R"(20{"inputs":[{"name":"x","datatype":"INT16","shape":[2,1],"data":[[1],[2]]}]})",
      R"(40{"inputs":[{"name":"x","datatype":"FP16","shape":[2,1],"data":[1.1,65504]},{"name":"b","datatype":"BF16","shape":[],"data":3},{"name":"u","datatype":"UINT8","shape":[1],"data":[255]}]})",
      R"(50{"inputs":[{"name":"x","datatype":"INT8","shape":[1,0],"data":[]}]})",
      R"(60{"inputs":[{"name":"x","datatype":"FP64","shape":[1,1,1,1,1,1,1,1],"data":[[[[[[[[1]]]]]]]]}]})",
      R"(00{"inputs":[{"na\u006de":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3],"parameters":{"shared_memory_region":"r"}}]})",
      "02" + std::string(24, '\1'),
      R"(00{"inputs":[],"x":)" + std::string(40, '[') + std::string(40, ']') + "}"};
}

}  // namespace pilotlight::fuzz
