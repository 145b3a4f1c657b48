#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/api/model_deployment.h"

// The objects that serve one ModelDeployment, as the API server takes them.
//
// A revision's ConfigMap and ReplicaSet are rendered once, when it is created. So what is written here may
// change from release to release without restarting a single pod.
//
// Thread-safety: no state.
namespace pilotlight::plan {

// The immutable ConfigMap `revision`: what the sidecar reads, and what the user wrote.
nlohmann::json RenderConfigMap(const api::ModelDeployment& model, const std::string& revision);

// The same from the copy that the revision's ReplicaSet keeps. Null: `copy` is none.
nlohmann::json RestoreConfigMap(const api::ModelDeployment& model, const std::string& revision,
                                const std::string& copy);

// The ReplicaSet `revision`: one pod, outside the Service, and a copy of the ConfigMap's data, if that is
// small enough for an annotation. `digest` pins it from birth; usually it is empty, and the first proof pins
// it.
nlohmann::json RenderReplicaSet(const api::ModelDeployment& model, const std::string& revision,
                                const std::string& digest, const std::string& sidecar_image);

// The ConfigMap of the operator's public keys (PEM, by file name), and its name. Of all revisions, and not
// immutable.
std::string KeysName(const std::string& model_name);
nlohmann::json RenderKeys(const api::ModelDeployment& model, const std::map<std::string, std::string>& keys);

nlohmann::json RenderService(const api::ModelDeployment& model);
const nlohmann::json& ServicePorts();  // as api::Service has them

// Without apiVersion, which depends on the API server.
nlohmann::json RenderDisruptionBudget(const api::ModelDeployment& model);
std::int64_t MostUnavailable(const api::Spec& spec);

// The labels of the pods in the Service, as an object and as `kubectl -l` takes them.
nlohmann::json ServingLabels(const std::string& model_name);
std::string ServingSelector(const std::string& model_name);

}  // namespace pilotlight::plan
