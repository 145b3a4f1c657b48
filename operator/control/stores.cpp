#include "operator/control/stores.h"

#include <utility>

#include "operator/control/decode.h"
#include "operator/kube/manager.h"
#include "operator/plan/names.h"

namespace pilotlight::control {
namespace {

using Changed = std::function<void(const kube::Key&, bool initial)>;

// Children and pods belong to the ModelDeployment that their instance label names. Who really owns them is
// judged by UID, in Observe: an object with our labels and another owner must not be acted on, but must be
// looked at.
template <typename T>
std::optional<kube::Key> OwnerOf(const kube::Object<T>& object) {
  if (object.value.meta.instance.empty()) return std::nullopt;
  return kube::Key{object.key.ns, object.value.meta.instance};
}

template <typename T>
kube::Store<T>& WatchChildren(kube::Manager& manager, const kube::Resource& resource,
                              const std::string& selector, kube::Decoder<T> decode, const Changed& changed) {
  return manager.Watch<T>(
      {.resource = resource, .label_selector = selector},
      {.decode = std::move(decode), .owner = OwnerOf<T>, .on_change = [changed](const auto& change) {
         for (const auto& side : {change.before, change.after}) {
           if (!side) continue;
           if (const auto owner = OwnerOf<T>(*side)) changed(*owner, change.initial);
         }
       }});
}

template <typename T>
std::vector<T> Owned(const kube::Store<T>& store, const kube::Key& key, const std::string& uid) {
  std::vector<T> out;
  for (const auto& object : store.OwnedBy(key)) {
    if (object->value.meta.owner_uid == uid) out.push_back(object->value);
  }
  return out;
}

template <typename T>
std::optional<T> OwnedOne(const kube::Store<T>& store, const kube::Key& key, const std::string& uid) {
  const auto object = store.Get(key);
  if (!object || object->value.meta.owner_uid != uid) return std::nullopt;
  return object->value;
}

}  // namespace

Stores Watch(kube::Manager& manager, const Resources& resources, const Changed& changed) {
  const std::string ours = std::string(plan::kManagedByLabel) + "=" + plan::kManagedByValue;
  Stores stores;
  stores.models = &manager.Watch<api::ModelDeployment>(
      {.resource = resources.model_deployments},
      {.decode = DecodeModelDeployment, .owner = {}, .on_change = [changed](const auto& change) {
         changed((change.after ? change.after : change.before)->key, change.initial);
       }});
  stores.config_maps =
      &WatchChildren<api::ConfigMap>(manager, kube::ConfigMaps(), ours, DecodeConfigMap, changed);
  stores.replica_sets =
      &WatchChildren<api::ReplicaSet>(manager, kube::ReplicaSets(), ours, DecodeReplicaSet, changed);
  stores.pods = &WatchChildren<api::Pod>(manager, kube::Pods(), ours, DecodePod, changed);
  stores.services = &WatchChildren<api::Service>(manager, kube::Services(), ours, DecodeService, changed);
  stores.budgets = &WatchChildren<api::DisruptionBudget>(manager, resources.budgets, ours,
                                                         DecodeDisruptionBudget, changed);
  if (resources.endpoint_slices) {
    // The slices' controller copies the Service's labels.
    stores.endpoints = &WatchChildren<api::Endpoints>(manager, *resources.endpoint_slices, ours,
                                                      DecodeEndpointSlice, changed);
  }
  return stores;
}

plan::Observed Observe(const Stores& stores, const kube::Key& key, const api::ModelDeployment& model) {
  plan::Observed seen;
  seen.model = model;
  seen.config_maps = Owned(*stores.config_maps, key, model.uid);
  seen.replica_sets = Owned(*stores.replica_sets, key, model.uid);
  seen.service = OwnedOne(*stores.services, key, model.uid);
  seen.budget = OwnedOne(*stores.budgets, key, model.uid);
  for (const auto& pod : stores.pods->OwnedBy(key)) seen.pods.push_back(pod->value);
  if (stores.endpoints != nullptr) {
    seen.ready_endpoints.emplace();
    for (const auto& slice : stores.endpoints->OwnedBy(key)) {
      seen.ready_endpoints->insert(seen.ready_endpoints->end(), slice->value.ready_pods.begin(),
                                   slice->value.ready_pods.end());
    }
  }
  return seen;
}

}  // namespace pilotlight::control
