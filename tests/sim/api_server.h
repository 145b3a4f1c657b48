#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "operator/plan/decision.h"
#include "operator/plan/observed.h"
#include "tests/sim/collection.h"
#include "tests/sim/event_queue.h"

namespace pilotlight::sim {

enum class ObjectKind : std::uint8_t { kModel, kConfigMap, kReplicaSet, kPod, kService, kBudget, kEndpoints };
inline constexpr std::size_t kKinds = 7;

ObjectKind KindOf(plan::Kind kind);

template <typename T>
constexpr ObjectKind kKindOf = ObjectKind::kModel;
template <>
inline constexpr ObjectKind kKindOf<api::ConfigMap> = ObjectKind::kConfigMap;
template <>
inline constexpr ObjectKind kKindOf<api::ReplicaSet> = ObjectKind::kReplicaSet;
template <>
inline constexpr ObjectKind kKindOf<api::Pod> = ObjectKind::kPod;
template <>
inline constexpr ObjectKind kKindOf<api::Service> = ObjectKind::kService;
template <>
inline constexpr ObjectKind kKindOf<api::DisruptionBudget> = ObjectKind::kBudget;
template <>
inline constexpr ObjectKind kKindOf<api::Endpoints> = ObjectKind::kEndpoints;

// Why a write came to nothing.
struct WriteError {
  enum class Code : std::uint8_t { kConflict, kNotFound, kRefused, kUnavailable, kTimeout };
  Code code;
  // What of it belongs into the status.
  std::optional<plan::Problem> problem;
};

// What a write left behind: until a store has seen this, its writer does not decide anew.
struct Written {
  ObjectKind kind;
  std::string name;
  std::int64_t version = 0;
  std::string deleted_uid;  // not empty: a deletion
};
using WriteResult = std::expected<Written, WriteError>;

// The objects of one namespace and one ModelDeployment, and the operator's writes with the preconditions that
// operator/control/perform.cpp gives them.
//
// Thread-safety: one thread.
class ApiServer {
 public:
  explicit ApiServer(const EventQueue& queue) : queue_(queue) {}

  static constexpr char kNamespace[] = "ml";
  static constexpr char kName[] = "digits";

  // What has changed is told after it has, and before anything else happens.
  void OnChange(std::function<void(ObjectKind)> told) { told_.push_back(std::move(told)); }

  const api::ModelDeployment* model() const { return models.Find(kName); }
  const api::Service* service() const { return services.Find(kName); }
  const api::DisruptionBudget* budget() const { return budgets.Find(kName); }
  const api::Endpoints* endpoints() const { return slices.Find(kName); }
  const api::Pod* PodOf(const std::string& uid) const;

  // What users do. A change of `spec` is a merge patch.
  void CreateModel(const nlohmann::json& spec);
  void ChangeModel(const nlohmann::json& spec);
  void DeleteModel();
  const nlohmann::json& spec() const { return manifest_["spec"]; }
  void LoseStatus();

  // What the operator does.
  WriteResult WriteStatus(const api::ModelDeployment& model, const api::Status& status);
  WriteResult Perform(const api::ModelDeployment& model, const plan::Action& action);

  // What Kubernetes' own controllers do, and users by hand.
  template <typename T>
  void Put(Collection<T>& in, T object) {
    const std::int64_t version = ++version_;
    SetVersion(object, version);
    in.Put(version, std::move(object));
    Tell(kKindOf<T>);
  }
  template <typename T>
  void Remove(Collection<T>& in, const std::string& name) {
    if (in.Remove(++version_, name)) Tell(kKindOf<T>);
  }
  std::string NewUid() { return "u" + std::to_string(++uids_); }

  Collection<api::ModelDeployment> models;
  Collection<api::ConfigMap> config_maps;
  Collection<api::ReplicaSet> replica_sets;
  Collection<api::Pod> pods;
  Collection<api::Service> services;
  Collection<api::DisruptionBudget> budgets;
  Collection<api::Endpoints> slices;

 private:
  template <typename T>
  static void SetVersion(T& object, std::int64_t version) {
    object.meta.resource_version = std::to_string(version);
  }
  static void SetVersion(api::ModelDeployment& model, std::int64_t version) {
    model.resource_version = std::to_string(version);
  }
  void Tell(ObjectKind kind) {
    for (const auto& told : told_) told(kind);
  }
  void PutModel(api::Status status);

  WriteResult Do(const api::ModelDeployment& model, const plan::EmitEvent& event);
  WriteResult Do(const api::ModelDeployment& model, const plan::Create& create);
  WriteResult Do(const api::ModelDeployment& model, const plan::ChangeReplicaSet& change);
  WriteResult Do(const api::ModelDeployment& model, const plan::Repair& repair);
  WriteResult Do(const api::ModelDeployment& model, const plan::LabelPod& label);
  WriteResult Do(const api::ModelDeployment& model, const plan::Delete& remove);
  template <typename T>
  WriteResult CreateIn(Collection<T>& in, const api::ModelDeployment& model, T object);
  template <typename T>
  WriteResult DeleteIn(Collection<T>& in, const plan::Delete& remove);

  const EventQueue& queue_;
  std::vector<std::function<void(ObjectKind)>> told_;
  nlohmann::json manifest_;
  std::int64_t generation_ = 0;
  std::int64_t version_ = 0;
  int uids_ = 0;
};

}  // namespace pilotlight::sim
