#pragma once

#include <string>
#include <string_view>

#include "sidecar/front/status.h"
#include "sidecar/wire/contract.h"

// The JSON documents that say what is served here and how.
namespace pilotlight::front {

std::string index_document(const Identity& identity);
std::string server_document();
// The model's metadata of the Open Inference Protocol.
std::string model_document(const Identity& identity, const wire::Contract& contract,
                           const nlohmann::json& proof);
// OpenAPI 3.1, from the contract.
std::string openapi_document(const Identity& identity, const wire::Contract* contract);
// One instance of zeros, as /predict takes it; for examples. Empty if it is long.
std::string example_instance(const wire::Contract& contract);

}  // namespace pilotlight::front
