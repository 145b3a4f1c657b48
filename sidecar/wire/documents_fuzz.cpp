// The control packets' JSON, from either process: contract, LoadRequest, failure, re-check.

#include <nlohmann/json.hpp>

#include "common/fuzz/fuzz.h"
#include "sidecar/wire/contract.h"
#include "sidecar/wire/failure.h"
#include "sidecar/wire/load_request.h"
#include "sidecar/wire/packet.h"
#include "sidecar/wire/recheck.h"

namespace pilotlight::fuzz {
namespace {

using nlohmann::json;

void check_specs(const std::vector<wire::TensorSpec>& specs) {
  require(specs.size() <= wire::kMaxTensors, "a contract has its limit of tensors");
  for (const auto& spec : specs) {
    require(presentable(spec.name, wire::kNameBytes - 1), "a tensor's name can be shown");
    if (!spec.shape) continue;
    require(spec.shape->size() <= wire::kMaxRank, "a shape has its limit of dimensions");
    for (const auto size : *spec.shape) require(size >= -1, "a dimension is -1 or a size");
  }
}

void check_contract(const json& document, bool strict) {
  const auto contract = wire::contract_from_json(document, strict);
  if (!contract) return require(!contract.error().empty(), "an error says something");
  check_specs(contract->inputs);
  check_specs(contract->outputs);
  const auto again = wire::contract_from_json(wire::to_json(*contract), strict);
  require(again.has_value() && *again == *contract, "a contract is read as it was written");
  static_cast<void>(wire::to_json(*contract).dump());  // throws where a text is no UTF-8
}

}  // namespace

void run(std::string_view input) {
  const auto packet = std::string(sizeof(wire::Kind), '\0').append(input);
  const auto document = wire::packet_json(bytes(packet));
  if (!document) return require(presentable(document.error(), 256), "an error can be shown");
  // What the front keeps of it, it writes into its status document: deep nesting must not end it there.
  static_cast<void>(document->dump());
  check_contract(*document, true);
  check_contract(*document, false);
  const auto failure = wire::failure_from_json(*document);
  require(wire::failure_from_json(wire::to_json(failure)) == failure, "a failure is read as it was written");
  if (const auto recheck = wire::recheck_from_json(*document); recheck) {
    require(wire::recheck_from_json(wire::to_json(*recheck)) == recheck,
            "a Recheck is read as it was written");
  }
  if (const auto rechecked = wire::rechecked_from_json(*document); rechecked) {
    require(wire::rechecked_from_json(wire::to_json(*rechecked)) == rechecked,
            "a Rechecked is read as it was written");
  }
  if (const auto request = wire::load_request_from_json(*document); request) {
    require(request->threads >= 0 && request->threads <= 1024, "threads are within their limits");
    require(request->warmup_timeout_seconds >= 0, "a time-out is not negative");
    const auto again = wire::load_request_from_json(wire::to_json(*request));
    require(again.has_value() && *again == *request, "a LoadRequest is read as it was written");
  } else {
    require(!request.error().empty(), "an error says something");
  }
}

std::vector<std::string> seeds() {
  return {
      R"({"inputs":[{"name":"image","datatype":"FP32","shape":[-1,8,8]}],"outputs":[{"name":"logits","datatype":"FP32","shape":[-1,2],"labels":["a","b"],"activation":"none"}]})",
      R"({"inputs":[{"name":"x"}],"outputs":[]})",
      R"({"digest":"sha256:9f","pinned":false,"model":{"format":"AOTInductor"},"contract":{"inputs":[{"name":"x","datatype":"INT64","shape":[]}],"outputs":[{"name":"y","datatype":"BOOL","shape":[0]}]},"validation":{"absoluteTolerance":1e-4,"relativeTolerance":0,"minimumLevel":"Answers","nonFinite":"Refuse"},"warmup":{"batchSizes":[1,8],"timeoutSeconds":300},"runtime":{"threads":2}})",
      R"({"class":"Pod","reason":"GoldenMismatch","phase":"Checking","message":"m","remedy":"r"})",
      R"({"id":7,"case":2})",
      R"({"id":7,"case":"batch-8","worstError":{"case":"batch-8","error":1e-7}})",
      R"({"id":7,"case":"batch-8","failure":{"reason":"GoldenMismatch","message":"m"}})",
      R"({"proof":)" + std::string(40, '[') + std::string(40, ']') + "}"};
}

}  // namespace pilotlight::fuzz
