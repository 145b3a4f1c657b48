#include "operator/control/decode.h"

#include <optional>

#include "operator/api/parse.h"
#include "operator/control/node.h"
#include "operator/plan/names.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;

api::ChildMeta Meta(Node root) {
  const Node meta = root["metadata"];
  const Node labels = meta["labels"];
  api::ChildMeta out{.name = meta["name"].Text(),
                     .ns = meta["namespace"].Text(),
                     .uid = meta["uid"].Text(),
                     .resource_version = meta["resourceVersion"].Text(),
                     .owner_uid = {},
                     .owner_name = {},
                     .instance = labels[plan::kInstanceLabel].Text(),
                     .revision = labels[plan::kRevisionLabel].Text(),
                     .created = meta["creationTimestamp"].Moment().value_or(api::Time()),
                     .deleting = meta["deletionTimestamp"].exists()};
  meta["ownerReferences"].Each([&](Node owner) {
    if (!owner["controller"].True()) return;
    out.owner_uid = owner["uid"].Text();
    out.owner_name = owner["name"].Text();
  });
  return out;
}

// Fills `make(root, meta)` from the text.
template <typename T, typename F>
std::expected<T, std::string> Decode(kube::Json text, F fill) {
  const auto root = Root(text);
  if (!root) return std::unexpected(root.error());
  T out;
  out.meta = Meta(*root);
  fill(*root, out);
  return out;
}

json Port(Node port) {
  json out = {{"port", port["port"].Number()}};
  if (port["name"].exists()) out["name"] = port["name"].Text();
  out["protocol"] = port["protocol"].exists() ? port["protocol"].Text() : "TCP";
  out["targetPort"] = port["targetPort"].ToJson();
  return out;
}

void ReadContainer(Node status, api::Pod& pod) {
  pod.container_id = status["containerID"].Text();
  pod.running = status["state"]["running"].exists();
  pod.started = status["state"]["running"]["startedAt"].Moment();
  const Node waiting = status["state"]["waiting"];
  pod.waiting_reason = waiting["reason"].Text();
  pod.waiting_message = waiting["message"].Text();
  const Node now = status["state"]["terminated"];
  const Node last = now.exists() ? now : status["lastState"]["terminated"];
  pod.last_exit_reason = last["reason"].Text();
  pod.last_exit_code = last["exitCode"].Number();
  pod.last_exit_message = last["message"].Text();
  pod.restarts = status["restartCount"].Number();
}

}  // namespace

std::expected<api::ModelDeployment, std::string> DecodeModelDeployment(kube::Json object) {
  // Most of the bytes of an object that was applied by hand.
  const auto without_managed_fields = [](int depth, json::parse_event_t event, json& parsed) {
    return !(event == json::parse_event_t::key && depth == 2 && parsed == "managedFields");
  };
  const json parsed = json::parse(object.text, without_managed_fields, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return std::unexpected("not a JSON object");
  return api::Parse(parsed);
}

std::expected<api::ConfigMap, std::string> DecodeConfigMap(kube::Json object) {
  return Decode<api::ConfigMap>(object, [](Node root, api::ConfigMap& out) {
    root["data"].EachField([&](std::string_view name, Node value) {
      if (name.ends_with(".pem")) out.keys.emplace(name, value.Text());
    });
  });
}

std::expected<api::ReplicaSet, std::string> DecodeReplicaSet(kube::Json object) {
  return Decode<api::ReplicaSet>(object, [](Node root, api::ReplicaSet& out) {
    const Node pod = root["spec"]["template"]["metadata"];
    out.replicas = root["spec"]["replicas"].Number();
    out.current_replicas = root["status"]["replicas"].Number();
    out.traffic = pod["labels"][plan::kTrafficLabel].Text();
    out.digest = pod["annotations"][plan::kDigestAnnotation].Text();
    out.config = root["metadata"]["annotations"][plan::kConfigAnnotation].Text();
    const Node failure = root["status"]["conditions"].Where("type", "ReplicaFailure");
    if (failure["status"].Text() != "True") return;
    out.failure_reason = failure["reason"].Text();
    out.failure_message = failure["message"].Text();
  });
}

std::expected<api::Pod, std::string> DecodePod(kube::Json object) {
  return Decode<api::Pod>(object, [](Node root, api::Pod& out) {
    const Node metadata = root["metadata"];
    out.traffic = metadata["labels"][plan::kTrafficLabel].Text();
    out.digest = metadata["annotations"][plan::kDigestAnnotation].Text();
    out.node = root["spec"]["nodeName"].Text();
    const Node status = root["status"];
    out.ip = status["podIP"].Text();
    out.phase = status["phase"].Text();
    out.reason = status["reason"].Text();
    out.message = status["message"].Text();
    const Node ready = status["conditions"].Where("type", "Ready");
    out.ready = ready["status"].Text() == "True";
    if (out.ready) out.ready_since = ready["lastTransitionTime"].Moment();
    const Node scheduled = status["conditions"].Where("type", "PodScheduled");
    out.scheduled = scheduled["status"].Text() != "False";
    if (!out.scheduled) out.unscheduled_why = scheduled["message"].Text();
    ReadContainer(status["containerStatuses"].Where("name", plan::kContainer), out);
  });
}

std::expected<api::Service, std::string> DecodeService(kube::Json object) {
  return Decode<api::Service>(object, [](Node root, api::Service& out) {
    out.selector = root["spec"]["selector"].ToJson();
    out.ports = json::array();
    root["spec"]["ports"].Each([&](Node port) { out.ports.push_back(Port(port)); });
  });
}

std::expected<api::DisruptionBudget, std::string> DecodeDisruptionBudget(kube::Json object) {
  return Decode<api::DisruptionBudget>(object, [](Node root, api::DisruptionBudget& out) {
    out.selector = root["spec"]["selector"]["matchLabels"].ToJson();
    out.max_unavailable = root["spec"]["maxUnavailable"].ToJson();
  });
}

std::expected<api::Endpoints, std::string> DecodeEndpointSlice(kube::Json object) {
  return Decode<api::Endpoints>(object, [](Node root, api::Endpoints& out) {
    // The Service's name is the ModelDeployment's.
    out.meta.instance = root["metadata"]["labels"]["kubernetes.io/service-name"].Text();
    root["endpoints"].Each([&](Node endpoint) {
      const Node ready = endpoint["conditions"]["ready"];
      if (ready.exists() && !ready.True()) return;  // unknown means ready
      if (std::string uid = endpoint["targetRef"]["uid"].Text(); !uid.empty())
        out.ready_pods.push_back(std::move(uid));
    });
  });
}

std::expected<api::ChildMeta, std::string> DecodeMeta(std::string text) {
  const kube::JsonBuffer buffer(std::move(text));
  const auto root = Root(buffer.view());
  if (!root) return std::unexpected(root.error());
  return Meta(*root);
}

}  // namespace pilotlight::control
