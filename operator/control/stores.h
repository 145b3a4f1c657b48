#pragma once

#include <functional>
#include <optional>
#include <string>

#include "operator/api/children.h"
#include "operator/api/model_deployment.h"
#include "operator/api/report.h"
#include "operator/kube/key.h"
#include "operator/kube/resource.h"
#include "operator/kube/store.h"
#include "operator/plan/observed.h"

namespace pilotlight::kube {
class Manager;
}

// Everything that is watched.
//
// Thread-safety: as kube::Store.
namespace pilotlight::control {

// The resources whose version depends on the API server.
struct Resources {
  kube::Resource model_deployments;
  kube::Resource budgets;
  // None: EndpointSlices are not observed, and pods speak for themselves.
  std::optional<kube::Resource> endpoint_slices;
};

struct Stores {
  kube::Store<api::ModelDeployment>* models = nullptr;
  kube::Store<api::ConfigMap>* config_maps = nullptr;
  kube::Store<api::ReplicaSet>* replica_sets = nullptr;
  kube::Store<api::Pod>* pods = nullptr;
  kube::Store<api::Service>* services = nullptr;
  kube::Store<api::DisruptionBudget>* budgets = nullptr;
  kube::Store<api::Endpoints>* endpoints = nullptr;  // may be null
};

// Watches all of it. `changed` gets the key of the ModelDeployment that a change concerns, and whether it
// came with the first list.
Stores Watch(kube::Manager& manager, const Resources& resources,
             const std::function<void(const kube::Key&, bool initial)>& changed);

// What is known of `model` now; reports, problem, settings and the time are the caller's to add.
plan::Observed Observe(const Stores& stores, const kube::Key& key, const api::ModelDeployment& model);

}  // namespace pilotlight::control
