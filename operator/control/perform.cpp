#include "operator/control/perform.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "operator/control/decode.h"
#include "operator/kube/client.h"
#include "operator/kube/events.h"
#include "operator/kube/write_gate.h"
#include "operator/plan/names.h"

namespace pilotlight::control {

using kube::ErrorCode;
using nlohmann::json;
using Outcome = std::expected<void, PerformError>;

struct Performer::Place {
  kube::Resource resource;
  const kube::StoreView* store = nullptr;
};

struct Performer::Live {
  api::ChildMeta meta;
  std::string resource_version;
  bool ours = false;  // by the labels by which it is watched, and its ModelDeployment is found
};

namespace {

kube::Key KeyOf(const api::ModelDeployment& model) {
  return {model.ns, model.name};
}

// What the API server will say again however often it is asked belongs into the status.
std::optional<plan::Problem> ProblemOf(const kube::Error& error, const std::string& what) {
  switch (error.code) {
    case ErrorCode::Invalid:
      return plan::Problem{
          "ObjectRefused",
          "the API server refuses " + what + ": " + error.message + "; correct spec.template", true};
    case ErrorCode::Forbidden:
      return plan::Problem{"Forbidden",
                           "the operator may not write " + what + ": " + error.message +
                               "; see the operator's roles, quotas and admission policies",
                           false};
    default:
      return std::nullopt;
  }
}

PerformError Failed(kube::Error error, const std::string& what) {
  auto problem = ProblemOf(error, what);
  return {std::move(error), std::move(problem)};
}

PerformError Refused(std::string reason, std::string message, bool final) {
  kube::Error cause{.code = ErrorCode::AlreadyExists,
                    .http_status = 409,
                    .reason = reason,
                    .message = message,
                    .retry_after = {}};
  return {std::move(cause), plan::Problem{std::move(reason), std::move(message), final}};
}

bool IsOver(const kube::Error& error) {
  return error.code == ErrorCode::NotFound || error.code == ErrorCode::Conflict ||
         error.code == ErrorCode::AlreadyExists;
}

}  // namespace

Performer::Performer(kube::Client& client, kube::EventRecorder& events, kube::WriteGate& gate, Stores stores,
                     Resources resources)
    : client_(client), events_(events), gate_(gate), stores_(stores), resources_(std::move(resources)) {}

Performer::Place Performer::PlaceOf(plan::Kind kind) const {
  switch (kind) {
    case plan::Kind::kConfigMap:
      return {kube::ConfigMaps(), stores_.config_maps};
    case plan::Kind::kReplicaSet:
      return {kube::ReplicaSets(), stores_.replica_sets};
    case plan::Kind::kService:
      return {kube::Services(), stores_.services};
    case plan::Kind::kDisruptionBudget:
      return {resources_.budgets, stores_.budgets};
    case plan::Kind::kPod:
      break;
  }
  return {kube::Pods(), stores_.pods};
}

Outcome Performer::WriteStatus(const api::ModelDeployment& model, const api::Status& status,
                               const std::stop_token& stop) {
  const json body = {{"apiVersion", api::kApiVersion},
                     {"kind", api::kKind},
                     {"metadata",
                      {{"name", model.name},
                       {"namespace", model.ns},
                       {"uid", model.uid},
                       // What was decided on another status than there is now must not take its place.
                       {"resourceVersion", model.resource_version}}},
                     {"status", api::ToJson(status)}};
  // A manager of its own: what another release put into the status and this one does not know goes away.
  const kube::ApplyOptions options{
      .subresource = "status", .field_manager = "pilotlight-status", .force = true};
  const auto written =
      client_.Apply(resources_.model_deployments, KeyOf(model),
                    body.dump(-1, ' ', false, json::error_handler_t::replace), options, stop);
  if (!written) return std::unexpected(PerformError{written.error(), std::nullopt});
  gate_.Wrote(KeyOf(model), *stores_.models, KeyOf(model), written->resource_version);
  return {};
}

std::expected<Performer::Live, PerformError> Performer::Read(const kube::Resource& resource,
                                                             const api::ModelDeployment& model,
                                                             const std::string& name,
                                                             const std::stop_token& stop) {
  const auto live = client_.Get(resource, {model.ns, name}, stop);
  if (!live) return std::unexpected(PerformError{live.error(), std::nullopt});
  auto meta = DecodeMeta(live->body);
  const json parsed = json::parse(live->body, nullptr, /*allow_exceptions=*/false);
  if (!meta || !parsed.is_object()) {
    return std::unexpected(
        PerformError{{.code = ErrorCode::Decode, .message = resource.kind + " " + name + " cannot be read"},
                     std::nullopt});
  }
  const json labels = parsed.value(json::json_pointer("/metadata/labels"), json::object());
  const bool ours =
      labels.value(plan::kManagedByLabel, "") == plan::kManagedByValue && meta->instance == model.name;
  return Live{std::move(*meta), live->resource_version, ours};
}

std::expected<bool, PerformError> Performer::HasReplicaSet(const api::ModelDeployment& model,
                                                           const std::string& name,
                                                           const std::stop_token& stop) {
  const auto live = Read(kube::ReplicaSets(), model, name, stop);
  if (!live && live.error().cause.code == ErrorCode::NotFound) return false;
  if (!live) return std::unexpected(live.error());
  // One without our labels is not watched, and will never be seen.
  return live->ours && live->meta.owner_uid == model.uid && !live->meta.deleting;
}

Outcome Performer::Perform(const api::ModelDeployment& model, const plan::Action& action,
                           const std::stop_token& stop) {
  return std::visit([&](const auto& what) { return Do(model, what, stop); }, action);
}

Outcome Performer::Do(const api::ModelDeployment& model, const plan::EmitEvent& event,
                      const std::stop_token&) {
  events_.Record({.regarding = {api::kApiVersion, api::kKind, KeyOf(model), model.uid},
                  .severity = event.warning ? kube::Severity::Warning : kube::Severity::Normal,
                  .reason = event.reason,
                  .action = "Reconcile",
                  .note = event.message});
  return {};
}

Outcome Performer::Do(const api::ModelDeployment& model, const plan::Create& create,
                      const std::stop_token& stop) {
  const Place place = PlaceOf(create.kind);
  json body = create.body;
  body["apiVersion"] = place.resource.ApiVersion();
  const auto written = client_.Create(place.resource, model.ns, body.dump(), stop);
  if (written) {
    gate_.Wrote(KeyOf(model), *place.store, {model.ns, create.name}, written->resource_version);
    return {};
  }
  if (written.error().code == ErrorCode::AlreadyExists) return TakeOver(model, create, stop);
  return std::unexpected(Failed(written.error(), place.resource.kind + " " + create.name));
}

// The name is taken: by ourselves a moment ago, by a namesake that is being collected, by an orphan of ours,
// or by somebody else. Only the last is a reason to stop; nobody's object is ever seized.
Outcome Performer::TakeOver(const api::ModelDeployment& model, const plan::Create& create,
                            const std::stop_token& stop) {
  const Place place = PlaceOf(create.kind);
  const kube::Key key{model.ns, create.name};
  const std::string what = place.resource.kind + " " + create.name;
  const auto live = Read(place.resource, model, create.name, stop);
  if (!live) return std::unexpected(live.error());
  const api::ChildMeta& meta = live->meta;
  if (meta.deleting || (live->ours && !meta.owner_uid.empty() && meta.owner_uid != model.uid &&
                        meta.owner_name == model.name)) {
    return std::unexpected(Refused(
        "WaitingForDeletion", what + " of a ModelDeployment of the same name is still being deleted", false));
  }
  if (meta.owner_uid == model.uid) {
    gate_.Wrote(KeyOf(model), *place.store, key, live->resource_version);
    return {};
  }
  if (!live->ours || !meta.owner_uid.empty()) {
    return std::unexpected(Refused(
        "NameConflict",
        what + " is there already and belongs to somebody else; rename or delete one of the two", true));
  }
  const json body = {{"apiVersion", place.resource.ApiVersion()},
                     {"kind", place.resource.kind},
                     {"metadata",
                      {{"name", create.name},
                       {"namespace", model.ns},
                       {"uid", meta.uid},
                       {"resourceVersion", live->resource_version},
                       {"ownerReferences", create.body["metadata"]["ownerReferences"]}}}};
  const auto adopted = client_.Apply(place.resource, key, body.dump(), {}, stop);
  if (!adopted) return std::unexpected(Failed(adopted.error(), what));
  gate_.Wrote(KeyOf(model), *place.store, key, adopted->resource_version);
  return {};
}

Outcome Performer::Do(const api::ModelDeployment& model, const plan::ChangeReplicaSet& change,
                      const std::stop_token& stop) {
  json pod = {{"labels", {{plan::kTrafficLabel, change.traffic}}}};
  if (!change.digest.empty()) pod["annotations"] = {{plan::kDigestAnnotation, change.digest}};
  json metadata = {{"name", change.name}, {"namespace", model.ns}, {"uid", change.uid}};
  if (!change.resource_version.empty()) metadata["resourceVersion"] = change.resource_version;
  const json body = {{"apiVersion", "apps/v1"},
                     {"kind", "ReplicaSet"},
                     {"metadata", std::move(metadata)},
                     {"spec", {{"replicas", change.replicas}, {"template", {{"metadata", std::move(pod)}}}}}};
  const kube::Key key{model.ns, change.name};
  const auto written = client_.Apply(kube::ReplicaSets(), key, body.dump(), {}, stop);
  if (!written) return std::unexpected(Failed(written.error(), "ReplicaSet " + change.name));
  gate_.Wrote(KeyOf(model), *stores_.replica_sets, key, written->resource_version);
  return {};
}

Outcome Performer::Do(const api::ModelDeployment& model, const plan::Repair& repair,
                      const std::stop_token& stop) {
  const Place place = PlaceOf(repair.kind);
  json body = repair.body;
  body["apiVersion"] = place.resource.ApiVersion();
  body["metadata"]["uid"] = repair.uid;
  const kube::Key key{model.ns, repair.name};
  const auto written = client_.Apply(place.resource, key, body.dump(), {}, stop);
  if (!written) return std::unexpected(Failed(written.error(), place.resource.kind + " " + repair.name));
  gate_.Wrote(KeyOf(model), *place.store, key, written->resource_version);
  return {};
}

Outcome Performer::Do(const api::ModelDeployment& model, const plan::LabelPod& label,
                      const std::stop_token& stop) {
  json metadata = {{"uid", label.uid},
                   {"resourceVersion", label.resource_version},
                   {"labels", {{plan::kTrafficLabel, label.traffic}}}};
  if (!label.digest.empty()) metadata["annotations"] = {{plan::kDigestAnnotation, label.digest}};
  const kube::Key key{model.ns, label.name};
  const auto written =
      client_.MergePatch(kube::Pods(), key, json{{"metadata", std::move(metadata)}}.dump(), "", stop);
  if (!written) return std::unexpected(Failed(written.error(), "Pod " + label.name));
  gate_.Wrote(KeyOf(model), *stores_.pods, key, written->resource_version);
  return {};
}

Outcome Performer::Do(const api::ModelDeployment& model, const plan::Delete& remove,
                      const std::stop_token& stop) {
  const Place place = PlaceOf(remove.kind);
  const kube::Key key{model.ns, remove.name};
  const auto deleted = client_.Delete(place.resource, key,
                                      {.uid = remove.uid, .resource_version = remove.resource_version}, stop);
  // Of another version, it is still there: what is to become of it is decided anew.
  const bool changed =
      !deleted && !remove.resource_version.empty() && deleted.error().code == ErrorCode::Conflict;
  if (!deleted && (changed || !IsOver(deleted.error()))) {
    return std::unexpected(Failed(deleted.error(), place.resource.kind + " " + remove.name));
  }
  gate_.Deleted(KeyOf(model), *place.store, key, remove.uid);
  return {};
}

}  // namespace pilotlight::control
