// What the operator's controller works with, without a server: empty stores, and a client whose answers the
// test scripts. For a test's base class.
#pragma once

#include <functional>
#include <optional>

#include "common/time/fake_clock.h"
#include "operator/control/decode.h"
#include "operator/control/perform.h"
#include "operator/control/stores.h"
#include "operator/kube/client.h"
#include "operator/kube/events.h"
#include "operator/kube/metrics.h"
#include "operator/kube/testing/scripted_transport.h"
#include "operator/kube/write_gate.h"

namespace pilotlight::control {

class World {
 protected:
  explicit World(std::function<kube::Result<kube::HttpResponse>(const kube::HttpRequest&)> answer)
      : transport_(std::move(answer)) {}

  // What the server answers to a write that it took.
  static kube::HttpResponse Written() {
    return {200, R"({"metadata": {"name": "x", "uid": "new", "resourceVersion": "9"}})"};
  }

  FakeClock clock_;
  kube::Metrics metrics_;
  kube::ScriptedTransport transport_;
  kube::Client client_{transport_};
  kube::EventRecorder events_{
      client_, {"events.k8s.io", "v1", "events", "Event", true}, "test", "test", clock_, metrics_};
  kube::WriteGate gate_{clock_};
  kube::Store<api::ModelDeployment> models_{{.decode = DecodeModelDeployment, .owner = {}, .on_change = {}}};
  kube::Store<api::ConfigMap> config_maps_{{.decode = DecodeConfigMap, .owner = {}, .on_change = {}}};
  kube::Store<api::ReplicaSet> replica_sets_{{.decode = DecodeReplicaSet, .owner = {}, .on_change = {}}};
  kube::Store<api::Pod> pods_{{.decode = DecodePod,
                               .owner = [](const kube::Object<api::Pod>& pod) -> std::optional<kube::Key> {
                                 return kube::Key{pod.key.ns, pod.value.meta.instance};
                               },
                               .on_change = {}}};
  kube::Store<api::Service> services_{{.decode = DecodeService, .owner = {}, .on_change = {}}};
  kube::Store<api::DisruptionBudget> budgets_{
      {.decode = DecodeDisruptionBudget, .owner = {}, .on_change = {}}};
  Stores stores_{.models = &models_,
                 .config_maps = &config_maps_,
                 .replica_sets = &replica_sets_,
                 .pods = &pods_,
                 .services = &services_,
                 .budgets = &budgets_};
  // As an old server has them.
  Resources resources_{.model_deployments = {api::kGroup, api::kVersion, api::kPlural, api::kKind, true},
                       .budgets = {"policy", "v1beta1", "poddisruptionbudgets", "PodDisruptionBudget", true},
                       .endpoint_slices = std::nullopt};
};

}  // namespace pilotlight::control
