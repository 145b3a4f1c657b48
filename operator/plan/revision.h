#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/api/model_deployment.h"

// Who a revision is: the part of the spec that its pods read, in one canonical form, and a name made of its
// hash.
//
// Thread-safety: no state.
namespace pilotlight::plan {

// The revisioned part of `spec`: a fixed list of fields, those at their default left out, durations in
// seconds. The same for ever for the same meaning: operator/plan/testdata/revisions.yaml holds what it was.
nlohmann::json RevisionedPart(const api::Spec& spec);

// Ten characters that spell no words and no digits that look like letters, of the sha256 of `part`.
std::string RevisionHash(const nlohmann::json& part);

// "<model deployment>-<hash>": also the name of the revision's ReplicaSet and ConfigMap.
std::string RevisionName(const api::ModelDeployment& model);

}  // namespace pilotlight::plan
