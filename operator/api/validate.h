#pragma once

#include <string_view>
#include <vector>

#include "operator/api/model_deployment.h"

// The rules of crds/modeldeployments.yaml once more, in C++: for API servers below 1.25, which take no CEL,
// and for objects that were written while an older CustomResourceDefinition was installed. Both are tested by
// one table, crds/testdata/manifests.yaml.
//
// Thread-safety: no state.
namespace pilotlight::api {

// Everything that is wrong with `spec`, in the order of the fields; empty if nothing is.
std::vector<FieldError> Validate(std::string_view name, const Spec& spec);

}  // namespace pilotlight::api
