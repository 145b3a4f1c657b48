#pragma once

#include "common/http/message.h"
#include "sidecar/front/inferences.h"
#include "sidecar/front/request.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::front {

// The field that says how much of a body is JSON, where tensors follow in binary.
inline constexpr std::string_view kJsonLength = "inference-header-content-length";

// The answer of the Open Inference Protocol: JSON, and behind it the outputs that were asked for in binary.
http::Response infer_answer(const InferRequest& request, const Answer& answer, std::string_view model,
                            std::string_view version);

// The answer of /predict: the outputs as nested lists, and for an output with labels the likeliest of each
// instance.
http::Response predict_answer(bool single, const Answer& answer, const wire::Contract& contract);

// The answer to an inference that came to nothing. Nothing of what the engine said is in it; the request's id
// leads to it in the log.
http::Response failure_answer(Outcome outcome, std::string_view request_id);

}  // namespace pilotlight::front
