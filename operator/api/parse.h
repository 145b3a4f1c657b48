#pragma once

#include <nlohmann/json_fwd.hpp>

#include "operator/api/model_deployment.h"

// From the API server's JSON to C++ values.
//
// Thread-safety: no state.
namespace pilotlight::api {

// Reads `object`, which needs no schema to have been checked before: whatever is of the wrong type, or breaks
// a rule of validate.h, is named in `errors`. Fields that this release does not know are passed over.
ModelDeployment Parse(const nlohmann::json& object);

}  // namespace pilotlight::api
