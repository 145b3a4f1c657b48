#pragma once

#include <expected>
#include <string>

#include "operator/api/children.h"
#include "operator/api/model_deployment.h"
#include "operator/api/report.h"
#include "operator/kube/json.h"

// From what the API server and the sidecars send to the few fields that are used.
//
// A field of a wrong type counts as absent, for another controller or release may have written it. The error
// is about text that is no JSON object at all. Thread-safety: no shared state.
namespace pilotlight::control {

std::expected<api::ModelDeployment, std::string> DecodeModelDeployment(kube::Json object);
std::expected<api::ConfigMap, std::string> DecodeConfigMap(kube::Json object);
std::expected<api::ReplicaSet, std::string> DecodeReplicaSet(kube::Json object);
std::expected<api::Pod, std::string> DecodePod(kube::Json object);
std::expected<api::Service, std::string> DecodeService(kube::Json object);
std::expected<api::DisruptionBudget, std::string> DecodeDisruptionBudget(kube::Json object);
std::expected<api::Endpoints, std::string> DecodeEndpointSlice(kube::Json object);

// The status document of docs/sidecar.md. It comes from a pod, and so is trusted with nothing: texts are cut,
// the proof keeps its documented fields only, and is dropped when it is too large; of a split at most 8
// segments with 256 pods a side and 64 runs of bad seconds a counter are kept, and a counter that cannot be
// right counts as absent.
std::expected<api::Report, std::string> DecodeReport(std::string text);

// The metadata of any object, for a live read.
std::expected<api::ChildMeta, std::string> DecodeMeta(std::string text);

}  // namespace pilotlight::control
