#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/front/inferences.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::front {

struct BadRequest {
  unsigned status;  // 400; 413: larger than can ever be held; 503: no room at the moment
  std::string message;
};

struct WantedOutput {
  std::string name;
  std::optional<bool> binary;  // absent: as the request's binary_default
};

struct InferRequest {
  std::string id;
  Inputs inputs;
  std::vector<WantedOutput> outputs;  // empty: all
  bool binary_default = false;
};

// An inference request of the Open Inference Protocol v2. `json_bytes` is Inference-Header-Content-Length:
// behind so many bytes of JSON the tensors follow in binary; 0 means that the body is the only input's bytes
// and nothing else. Nothing in the body is believed; the error names the field, what it must be and what it
// is.
std::expected<InferRequest, BadRequest> parse_infer(const std::string& body,
                                                    std::optional<std::uint64_t> json_bytes,
                                                    const wire::Contract& contract, ArenaHeap& heap);

struct PredictRequest {
  Inputs inputs;
  bool single = false;  // one instance without a batch dimension: answer without one
};

// The body of /predict: a list, {"instances": list}, or an object of named inputs.
std::expected<PredictRequest, BadRequest> parse_predict(const std::string& body,
                                                        const wire::Contract& contract, ArenaHeap& heap);

}  // namespace pilotlight::front
