#include "tests/sim/api_server.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "operator/api/parse.h"
#include "operator/plan/names.h"

namespace pilotlight::sim {
namespace {

using nlohmann::json;

std::unexpected<WriteError> Fail(WriteError::Code code, std::optional<plan::Problem> problem = {}) {
  return std::unexpected(WriteError{code, std::move(problem)});
}

}  // namespace

ObjectKind KindOf(plan::Kind kind) {
  switch (kind) {
    case plan::Kind::kConfigMap:
      return ObjectKind::kConfigMap;
    case plan::Kind::kReplicaSet:
      return ObjectKind::kReplicaSet;
    case plan::Kind::kService:
      return ObjectKind::kService;
    case plan::Kind::kDisruptionBudget:
      return ObjectKind::kBudget;
    case plan::Kind::kPod:
      return ObjectKind::kPod;
  }
  return ObjectKind::kPod;
}

const api::Pod* ApiServer::PodOf(const std::string& uid) const {
  for (const auto& [name, pod] : pods.all()) {
    if (pod->meta.uid == uid) return pod.get();
  }
  return nullptr;
}

void ApiServer::PutModel(api::Status status) {
  api::ModelDeployment model = api::Parse(manifest_);
  model.status = std::move(status);
  Put(models, std::move(model));
}

void ApiServer::CreateModel(const json& spec) {
  generation_ = 1;
  manifest_ = {
      {"metadata", {{"name", kName}, {"namespace", kNamespace}, {"uid", NewUid()}, {"generation", 1}}},
      {"spec", spec}};
  PutModel({});
}

void ApiServer::ChangeModel(const json& spec) {
  if (model() == nullptr) return;
  json next = manifest_;
  next["spec"].merge_patch(spec);
  if (next == manifest_) return;
  manifest_ = std::move(next);
  manifest_["metadata"]["generation"] = ++generation_;
  PutModel(model()->status);
}

void ApiServer::DeleteModel() {
  Remove(models, kName);
}

void ApiServer::LoseStatus() {
  if (model() != nullptr) PutModel({});
}

WriteResult ApiServer::WriteStatus(const api::ModelDeployment& by, const api::Status& status) {
  const api::ModelDeployment* now = model();
  // An apply that names a UID does not create, and one that names a version does not overwrite another.
  if (now == nullptr || now->uid != by.uid || now->resource_version != by.resource_version)
    return Fail(WriteError::Code::kConflict);
  // As it comes back from the API server, not as it was in memory.
  api::Status kept = api::StatusFromJson(api::ToJson(status));
  if (kept == now->status) return Written{ObjectKind::kModel, kName, std::stoll(now->resource_version), {}};
  api::ModelDeployment next = *now;
  next.status = std::move(kept);
  Put(models, std::move(next));
  return Written{ObjectKind::kModel, kName, version_, {}};
}

WriteResult ApiServer::Perform(const api::ModelDeployment& by, const plan::Action& action) {
  return std::visit([&](const auto& what) { return Do(by, what); }, action);
}

// Events go their own way, and may get lost.
WriteResult ApiServer::Do(const api::ModelDeployment&, const plan::EmitEvent&) {
  return Written{ObjectKind::kEndpoints, {}, 0, {}};
}

template <typename T>
WriteResult ApiServer::CreateIn(Collection<T>& in, const api::ModelDeployment& by, T object) {
  const std::string name = object.meta.name;
  if (const T* there = in.Find(name)) {
    // As Performer::TakeOver: ours, or a namesake's that is being collected; there are no others here.
    if (there->meta.owner_uid == by.uid && !there->meta.deleting)
      return Written{kKindOf<T>, name, std::stoll(there->meta.resource_version), {}};
    return Fail(WriteError::Code::kRefused,
                plan::Problem{"WaitingForDeletion", name + " of a namesake is still being deleted", false});
  }
  Put(in, std::move(object));
  return Written{kKindOf<T>, name, version_, {}};
}

WriteResult ApiServer::Do(const api::ModelDeployment& by, const plan::Create& create) {
  const json& body = create.body;
  api::ChildMeta meta{.name = create.name,
                      .ns = kNamespace,
                      .uid = NewUid(),
                      .owner_uid = body["metadata"]["ownerReferences"][0]["uid"],
                      .owner_name = kName,
                      .instance = kName,
                      .revision = body["metadata"]["labels"].value(plan::kRevisionLabel, ""),
                      .created = std::chrono::floor<std::chrono::seconds>(queue_.now())};
  switch (create.kind) {
    case plan::Kind::kConfigMap:
      return CreateIn(config_maps, by, api::ConfigMap{std::move(meta)});
    case plan::Kind::kReplicaSet: {
      const json& pod = body["spec"]["template"]["metadata"];
      const std::string digest =
          pod.contains("annotations") ? pod["annotations"].value(plan::kDigestAnnotation, "") : "";
      return CreateIn(replica_sets, by,
                      api::ReplicaSet{.meta = std::move(meta),
                                      .replicas = body["spec"]["replicas"],
                                      .traffic = pod["labels"][plan::kTrafficLabel],
                                      .digest = digest,
                                      .config = body["metadata"]["annotations"][plan::kConfigAnnotation]});
    }
    case plan::Kind::kService:
      return CreateIn(services, by,
                      api::Service{std::move(meta), body["spec"]["selector"], body["spec"]["ports"]});
    case plan::Kind::kDisruptionBudget:
      return CreateIn(budgets, by,
                      api::DisruptionBudget{std::move(meta), body["spec"]["selector"]["matchLabels"],
                                            body["spec"]["maxUnavailable"]});
    case plan::Kind::kPod:
      break;
  }
  return Fail(WriteError::Code::kRefused);
}

WriteResult ApiServer::Do(const api::ModelDeployment&, const plan::ChangeReplicaSet& change) {
  const api::ReplicaSet* now = replica_sets.Find(change.name);
  if (now == nullptr || now->meta.uid != change.uid || now->meta.resource_version != change.resource_version)
    return Fail(WriteError::Code::kConflict);
  api::ReplicaSet next = *now;
  next.replicas = change.replicas;
  next.traffic = change.traffic;
  // An apply without the annotation gives it up: it is the operator's field.
  next.digest = change.digest;
  if (next.replicas != now->replicas || next.traffic != now->traffic || next.digest != now->digest)
    Put(replica_sets, std::move(next));
  return Written{ObjectKind::kReplicaSet,
                 change.name,
                 std::stoll(replica_sets.Find(change.name)->meta.resource_version),
                 {}};
}

WriteResult ApiServer::Do(const api::ModelDeployment&, const plan::Repair& repair) {
  const json& spec = repair.body["spec"];
  if (repair.kind == plan::Kind::kService) {
    if (service() == nullptr || service()->meta.uid != repair.uid) return Fail(WriteError::Code::kConflict);
    api::Service next = *service();
    next.selector = spec["selector"];
    next.ports = spec["ports"];
    Put(services, std::move(next));
  } else {
    if (budget() == nullptr || budget()->meta.uid != repair.uid) return Fail(WriteError::Code::kConflict);
    api::DisruptionBudget next = *budget();
    next.selector = spec["selector"]["matchLabels"];
    next.max_unavailable = spec["maxUnavailable"];
    Put(budgets, std::move(next));
  }
  return Written{KindOf(repair.kind), repair.name, version_, {}};
}

WriteResult ApiServer::Do(const api::ModelDeployment&, const plan::LabelPod& label) {
  const api::Pod* now = pods.Find(label.name);
  if (now == nullptr) return Fail(WriteError::Code::kNotFound);
  if (now->meta.uid != label.uid || now->meta.resource_version != label.resource_version)
    return Fail(WriteError::Code::kConflict);
  api::Pod next = *now;
  next.traffic = label.traffic;
  if (!label.digest.empty()) next.digest = label.digest;
  Put(pods, std::move(next));
  return Written{ObjectKind::kPod, label.name, version_, {}};
}

template <typename T>
WriteResult ApiServer::DeleteIn(Collection<T>& in, const plan::Delete& remove) {
  const T* now = in.Find(remove.name);
  if (now != nullptr && now->meta.uid == remove.uid) {
    if (!remove.resource_version.empty() && now->meta.resource_version != remove.resource_version)
      return Fail(WriteError::Code::kConflict);
    if constexpr (std::is_same_v<T, api::Pod>) {
      // Its kubelet takes it away.
      if (!now->meta.deleting) {
        api::Pod next = *now;
        next.meta.deleting = true;
        Put(in, std::move(next));
      }
    } else {
      Remove(in, remove.name);
    }
  }
  // Gone already, or another of that name: over all the same.
  return Written{kKindOf<T>, remove.name, version_, remove.uid};
}

WriteResult ApiServer::Do(const api::ModelDeployment&, const plan::Delete& remove) {
  switch (remove.kind) {
    case plan::Kind::kConfigMap:
      return DeleteIn(config_maps, remove);
    case plan::Kind::kReplicaSet:
      return DeleteIn(replica_sets, remove);
    case plan::Kind::kService:
      return DeleteIn(services, remove);
    case plan::Kind::kDisruptionBudget:
      return DeleteIn(budgets, remove);
    case plan::Kind::kPod:
      return DeleteIn(pods, remove);
  }
  return Fail(WriteError::Code::kRefused);
}

}  // namespace pilotlight::sim
