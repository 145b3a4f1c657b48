// The body of /predict: what is accepted is JSON for another parser as well, keeps to the contract, holds the
// values that the other parser finds, and is read the same when it is written again.

#include "sidecar/front/request_fuzz.h"

namespace pilotlight::fuzz {
namespace {

using nlohmann::json;

void flatten(const json& value, std::vector<double>& into) {
  if (!value.is_structured()) {
    into.push_back(value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<double>());
    return;
  }
  for (const auto& item : value) flatten(item, into);
}

// The numbers of one FP64 or FP32 input, as the other parser reads them.
void check_numbers(const json& document, const wire::Tensor& tensor) {
  std::vector<double> numbers;
  flatten(document, numbers);
  const auto data = arena().bytes().subspan(tensor.offset, tensor.bytes);
  require(numbers.size() * wire::element_bytes(tensor.datatype) == data.size(), "every number is taken");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double expected =
        tensor.datatype == wire::Datatype::kFp32 ? static_cast<float>(numbers[i]) : numbers[i];
    require(front::element(tensor.datatype, data, i) == expected, "a number is the one that was sent");
  }
}

std::string written(const front::Inputs& inputs, const wire::Contract& contract) {
  std::string body = "{";
  for (std::size_t i = 0; i < inputs.tensors.size(); ++i) {
    const auto& tensor = inputs.tensors[i];
    if (i > 0) body += ',';
    front::append_string(body, contract.inputs[i].name);
    body += ':';
    front::append_nested(body, tensor.datatype, wire::shape_of(tensor),
                         arena().bytes().subspan(tensor.offset, tensor.bytes));
  }
  return padded(body + "}");
}

void check_accepted(const front::PredictRequest& request, const std::string& body,
                    const wire::Contract& contract, front::ArenaHeap& heap) {
  check_inputs(request.inputs, contract);
  const auto document = json::parse(body, nullptr, false);
  require(!document.is_discarded(), "what is accepted is JSON");
  const auto& first = request.inputs.tensors[0];
  const bool floats = first.datatype == wire::Datatype::kFp32 || first.datatype == wire::Datatype::kFp64;
  if (contract.inputs.size() == 1 && floats && document.is_array()) check_numbers(document, first);
  const auto values = values_of(request.inputs);
  if (std::ranges::contains(values, std::string())) return;  // lists of nothing do not say their inner shape
  const auto copy = written(request.inputs, contract);
  const auto again = front::parse_predict(copy, contract, heap);
  if (!again && again.error().status == 503) return;  // no room for both
  require(again.has_value(), again ? "" : again.error().message + ", in " + copy);
  require(values_of(again->inputs) == values, "inputs are read as they were written");
}

}  // namespace

void run(std::string_view input) {
  if (input.empty()) return;
  const auto& contract = chosen_contract(input[0]);
  const auto body = padded(input.substr(1));
  front::ArenaHeap heap(arena().bytes(), 0, kArenaBytes);
  if (const auto request = front::parse_predict(body, contract, heap); !request) {
    check_refusal(request.error());
  } else {
    check_accepted(*request, body, contract, heap);
  }
  check_empty(heap);
}

std::vector<std::string> seeds() {
  return {"0[[1,2.5,-3e2],[4,5,6]]",
          "0[1,2,3]",
          R"(0{"instances":[[1,2,3]]})",
          R"(0{"inputs":{"x":[1,2,3]}})",
          R"(0{"x":[[1,2,3]],"x":[[1,2,3]]})",
          R"(1{"x":[1,2],"mask":[[[true,false],[false,true]],[[true,true],[false,false]]]})",
          R"(1{"x":1,"mask":[[true,false],[false,true]]})",
          "2[[1],[2]]",
          "25",
          R"(3{"x":[],"inputs":[1]})",
          R"(4{"x":[[1],[2]],"b":1,"u":[255]})",
          "5[[],[]]",
          "6[[[[[[[[1]]]]]]]]",
          "6[[[[[[[[[1]]]]]]]]]",
          "0[[1,2,3],[4,5]]",
          "0[[1,2,3]] x"};
}

}  // namespace pilotlight::fuzz
