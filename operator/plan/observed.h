#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/children.h"
#include "operator/api/model_deployment.h"
#include "operator/api/report.h"

// All that a decision is made from.
//
// Thread-safety: plain values.
namespace pilotlight::plan {

struct Settings {
  // The image of new revisions' sidecars.
  std::string sidecar_image;
  // After an endpoint is ready, until every node may be taken to know. kube-proxy's lag cannot be observed;
  // it is usually below one second. Default: 2 s.
  std::chrono::seconds settle{2};
  // How long replaced pods live on outside the Service, for requests that were on their way. Default: 10 s.
  std::chrono::seconds scale_down_delay{10};
  // How long after its start a sidecar may be silent before that is called trouble. Default: 15 s.
  std::chrono::seconds sidecar_grace{15};
  // The public keys by which sidecars know the operator's calls, in PEM, by file name. Each model's pods get
  // them in a ConfigMap of the model's.
  std::map<std::string, std::string> operator_keys;
};

// Why the last attempt to act on this object failed.
struct Problem {
  std::string reason;
  std::string message;
  // Time alone does not mend it: somebody must do something.
  bool final = false;
};

struct Observed {
  api::ModelDeployment model;
  // Owned by `model`, in any order.
  std::vector<api::ConfigMap> config_maps;
  std::vector<api::ReplicaSet> replica_sets;
  std::optional<api::Service> service;
  std::optional<api::DisruptionBudget> budget;
  // Owned by one of `replica_sets`.
  std::vector<api::Pod> pods;
  // UIDs of the pods that EndpointSlices of the Service list as ready. None: not observed; then pods speak
  // for themselves.
  std::optional<std::vector<std::string>> ready_endpoints;
  // By pod UID.
  std::map<std::string, api::Report> reports;
  std::optional<Problem> problem;
  Settings settings;
  api::Time now;
};

}  // namespace pilotlight::plan
