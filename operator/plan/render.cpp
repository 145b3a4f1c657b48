#include "operator/plan/render.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "operator/plan/names.h"
#include "operator/plan/revision.h"
#include "operator/plan/rolling.h"

namespace pilotlight::plan {
namespace {

using api::ModelDeployment;
using nlohmann::json;

constexpr int kUser = 65532;
constexpr char kConfigFolder[] = "/etc/pilotlight/config";
// What draining takes besides the longest request: at most 20 s until no new connection comes, and some to
// spare.
constexpr std::chrono::seconds kDrainTime{25};

json CommonLabels(const std::string& model_name) {
  return {{kNameLabel, kNameValue}, {kInstanceLabel, model_name}, {kManagedByLabel, kManagedByValue}};
}

json Metadata(const ModelDeployment& model, const std::string& name, json labels) {
  return {{"name", name},
          {"namespace", model.ns},
          {"labels", std::move(labels)},
          {"ownerReferences",
           {{{"apiVersion", api::kApiVersion},
             {"kind", api::kKind},
             {"name", model.name},
             {"uid", model.uid},
             {"controller", true},
             {"blockOwnerDeletion", true}}}}};
}

json RevisionLabels(const std::string& model_name, const std::string& revision) {
  json labels = CommonLabels(model_name);
  labels[kRevisionLabel] = revision;
  return labels;
}

// docs/sidecar.md, config.json. Fields with a default in the schema are always written, so that the schema's
// word holds whatever the sidecar's own default is.
json SidecarConfig(const ModelDeployment& model, const std::string& revision) {
  json config = RevisionedPart(model.spec);
  config.erase("template");
  config["model"].erase("credentialsSecret");
  config.update({{"apiVersion", "sidecar.pilotlight.dev/v1alpha1"},
                 {"name", model.name},
                 {"namespace", model.ns},
                 {"revision", revision}});
  if (model.spec.model.signature) config["model"]["signature"]["policy"] = model.spec.model.signature->policy;
  for (const char* part : {"validation", "warmup", "endpoint"}) {
    if (config.contains(part)) config[part].erase("timeout");
  }
  config["validation"]["minimumLevel"] = model.spec.validation.minimum_level;
  config["validation"]["timeoutSeconds"] = model.spec.validation.timeout.count();
  config["validation"]["recheckIntervalSeconds"] = model.spec.validation.recheck_interval.count();
  config["validation"].erase("recheckInterval");
  config["warmup"]["timeoutSeconds"] = model.spec.warmup.timeout.count();
  config["endpoint"]["maxRequestBytes"] = model.spec.endpoint.max_request_bytes;
  config["endpoint"]["timeoutSeconds"] = model.spec.endpoint.timeout.count();
  return config;
}

json FieldVariable(const char* name, const std::string& path) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", path}}}}}};
}

json Environment() {
  return {
      FieldVariable("PILOTLIGHT_DIGEST", std::string("metadata.annotations['") + kDigestAnnotation + "']"),
      FieldVariable("POD_NAME", "metadata.name"), FieldVariable("POD_NAMESPACE", "metadata.namespace"),
      FieldVariable("POD_UID", "metadata.uid"), FieldVariable("NODE_NAME", "spec.nodeName")};
}

json Probe(const char* path, int period, int failures) {
  return {{"httpGet", {{"path", path}, {"port", "admin"}}},
          {"periodSeconds", period},
          {"timeoutSeconds", 2},
          {"failureThreshold", failures}};
}

// The claim of pvc://claim/path; empty for other URIs.
std::string Claim(const std::string& uri) {
  constexpr std::string_view kScheme = "pvc://";
  if (!uri.starts_with(kScheme)) return {};
  return uri.substr(kScheme.size(), uri.find('/', kScheme.size()) - kScheme.size());
}

struct Storage {
  json volumes = json::array();
  json mounts = json::array();

  void Add(const char* name, const char* path, bool read_only, const json& source) {
    json volume = {{"name", name}};
    volume.update(source);
    volumes.push_back(std::move(volume));
    json mount = {{"name", name}, {"mountPath", path}};
    if (read_only) mount["readOnly"] = true;
    mounts.push_back(std::move(mount));
  }
};

Storage OwnStorage(const ModelDeployment& model, const std::string& revision) {
  Storage storage;
  storage.Add("config", kConfigFolder, true, {{"configMap", {{"name", revision}}}});
  // Optional: no operator with a key may have been here yet.
  storage.Add("operator-keys", "/etc/pilotlight/operator-keys", true,
              {{"configMap", {{"name", KeysName(model.name)}, {"optional", true}}}});
  storage.Add("state", "/var/lib/pilotlight", false, {{"emptyDir", json::object()}});
  storage.Add("tmp", "/tmp", false, {{"emptyDir", json::object()}});
  if (const auto& secret = model.spec.model.credentials_secret; !secret.empty()) {
    storage.Add("credentials", "/etc/pilotlight/credentials", true, {{"secret", {{"secretName", secret}}}});
  }
  if (const std::string claim = Claim(model.spec.model.uri); !claim.empty()) {
    storage.Add("model", "/mnt/model", true,
                {{"persistentVolumeClaim", {{"claimName", claim}, {"readOnly", true}}}});
  }
  return storage;
}

void Append(json& list, const json& pod, const char* field) {
  const auto more = pod.find(field);
  if (more == pod.end()) return;
  for (const json& item : *more) list.push_back(item);
}

json Container(const ModelDeployment& model, const std::string& image, json mounts) {
  const json& overrides = model.spec.pod_template.pod;
  json env = Environment();
  Append(env, overrides, "env");
  Append(mounts, overrides, "volumeMounts");
  return {
      {"name", kContainer},
      {"image", image},
      {"imagePullPolicy", "IfNotPresent"},
      {"args", {"--config", std::string(kConfigFolder) + "/config.json"}},
      {"ports",
       {{{"name", "http"}, {"containerPort", 8080}, {"protocol", "TCP"}},
        {{"name", "admin"}, {"containerPort", 8081}, {"protocol", "TCP"}},
        {{"name", "hop"}, {"containerPort", 8082}, {"protocol", "TCP"}}}},
      {"env", std::move(env)},
      {"resources", overrides.value("resources", json{{"requests", {{"cpu", "100m"}, {"memory", "256Mi"}}}})},
      // An engine that dies and is back within three seconds keeps its endpoint, where it answers 503, not
      // refusals.
      {"readinessProbe", Probe("/readyz", 1, 3)},
      {"livenessProbe", Probe("/livez", 10, 3)},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"readOnlyRootFilesystem", true},
        {"capabilities", {{"drop", json::array({"ALL"})}}}}},
      {"volumeMounts", std::move(mounts)}};
}

// Over nodes as far as there are any: one lost node then takes one pod.
json UsualSpread(const json& selector) {
  return json::array({{{"maxSkew", 1},
                       {"topologyKey", "kubernetes.io/hostname"},
                       {"whenUnsatisfiable", "ScheduleAnyway"},
                       {"labelSelector", {{"matchLabels", selector}}}}});
}

json PodSpec(const ModelDeployment& model, const std::string& revision, const std::string& image,
             const json& selector) {
  Storage storage = OwnStorage(model, revision);
  Append(storage.volumes, model.spec.pod_template.pod, "volumes");
  json pod = {{"automountServiceAccountToken", false},
              {"enableServiceLinks", false},
              {"terminationGracePeriodSeconds", (kDrainTime + model.spec.endpoint.timeout).count()},
              {"securityContext",
               {{"runAsNonRoot", true},
                {"runAsUser", kUser},
                {"runAsGroup", kUser},
                {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
              {"topologySpreadConstraints", UsualSpread(selector)},
              {"volumes", std::move(storage.volumes)}};
  pod["containers"] = json::array({Container(model, image, std::move(storage.mounts))});
  for (const char* field : {"nodeSelector", "tolerations", "affinity", "imagePullSecrets",
                            "priorityClassName", "topologySpreadConstraints"}) {
    if (const auto set = model.spec.pod_template.pod.find(field); set != model.spec.pod_template.pod.end()) {
      pod[field] = *set;
    }
  }
  return pod;
}

// All annotations of an object together may have 256 KiB.
constexpr std::size_t kMostCopied = 192 * 1024;

json ConfigMapOf(const ModelDeployment& model, const std::string& revision, json data) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", Metadata(model, revision, RevisionLabels(model.name, revision))},
          {"immutable", true},
          {"data", std::move(data)}};
}

json Data(const ModelDeployment& model, const std::string& revision) {
  return {{"config.json", SidecarConfig(model, revision).dump(2)},
          {"revision.json", RevisionedPart(model.spec).dump(2)}};
}

}  // namespace

json RenderConfigMap(const ModelDeployment& model, const std::string& revision) {
  return ConfigMapOf(model, revision, Data(model, revision));
}

json RestoreConfigMap(const ModelDeployment& model, const std::string& revision, const std::string& copy) {
  json data = json::parse(copy, nullptr, /*allow_exceptions=*/false);
  if (!data.is_object() || data.empty() ||
      !std::ranges::all_of(data, [](const json& text) { return text.is_string(); }))
    return nullptr;
  return ConfigMapOf(model, revision, std::move(data));
}

std::string KeysName(const std::string& model_name) {
  return model_name + kKeysSuffix;
}

json RenderKeys(const ModelDeployment& model, const std::map<std::string, std::string>& keys) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", Metadata(model, KeysName(model.name), CommonLabels(model.name))},
          {"data", keys}};
}

json RenderReplicaSet(const ModelDeployment& model, const std::string& revision, const std::string& digest,
                      const std::string& sidecar_image) {
  const json selector = {{kInstanceLabel, model.name}, {kRevisionLabel, revision}};
  json labels = model.spec.pod_template.labels;
  labels.update(RevisionLabels(model.name, revision));
  labels[kTrafficLabel] = kTrafficNone;
  json annotations = model.spec.pod_template.annotations;
  if (!digest.empty()) annotations[kDigestAnnotation] = digest;

  json pod_metadata = {{"labels", std::move(labels)}};
  if (!annotations.empty()) pod_metadata["annotations"] = std::move(annotations);
  json metadata = Metadata(model, revision, RevisionLabels(model.name, revision));
  if (std::string copy = Data(model, revision).dump(); copy.size() <= kMostCopied)
    metadata["annotations"] = {{kConfigAnnotation, std::move(copy)}};
  return {{"apiVersion", "apps/v1"},
          {"kind", "ReplicaSet"},
          {"metadata", std::move(metadata)},
          {"spec",
           {{"replicas", 1},
            {"selector", {{"matchLabels", selector}}},
            {"template",
             {{"metadata", std::move(pod_metadata)},
              {"spec", PodSpec(model, revision, sidecar_image, selector)}}}}}};
}

json RenderService(const ModelDeployment& model) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", Metadata(model, model.name, CommonLabels(model.name))},
          {"spec", {{"selector", ServingLabels(model.name)}, {"ports", ServicePorts()}}}};
}

const json& ServicePorts() {
  static const json ports = {{{"name", "http"}, {"port", 80}, {"targetPort", "http"}, {"protocol", "TCP"}}};
  return ports;
}

json RenderDisruptionBudget(const ModelDeployment& model) {
  return {{"kind", "PodDisruptionBudget"},
          {"metadata", Metadata(model, model.name, CommonLabels(model.name))},
          {"spec",
           {{"maxUnavailable", MostUnavailable(model.spec)},
            {"selector", {{"matchLabels", ServingLabels(model.name)}}}}}};
}

std::int64_t MostUnavailable(const api::Spec& spec) {
  return std::max<std::int64_t>(Spare(spec.rollout, spec.replicas), 1);
}

json ServingLabels(const std::string& model_name) {
  return {{kInstanceLabel, model_name}, {kTrafficLabel, kTrafficService}};
}

std::string ServingSelector(const std::string& model_name) {
  return std::string(kInstanceLabel) + "=" + model_name + "," + kTrafficLabel + "=" + kTrafficService;
}

}  // namespace pilotlight::plan
