#include "operator/api/validate.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <regex>
#include <set>
#include <string>
#include <utility>

#include "operator/api/text_at.h"

namespace pilotlight::api {
namespace {

using nlohmann::json;

constexpr std::array kDatatypes = {"BOOL",  "UINT8", "INT8", "INT16", "INT32",
                                   "INT64", "FP16",  "BF16", "FP32",  "FP64"};
constexpr std::array kLevels = {"Loaded", "Contract", "Answers"};
constexpr std::array kFormats = {"", "TorchScript", "ONNX", "AOTInductor"};
constexpr std::array kPolicies = {"Require", "Warn", "Off"};
constexpr std::array kStrategies = {"RollingUpdate", "Canary"};
constexpr std::array kFallbacks = {"Local", "Off"};
constexpr std::array kCapacities = {"Full", "Proportional"};
constexpr std::array kActivations = {"", "softmax", "none"};
constexpr std::array kOwnLabels = {"app.kubernetes.io/name", "app.kubernetes.io/instance",
                                   "app.kubernetes.io/managed-by"};
constexpr std::array kOwnVariables = {"POD_NAME", "POD_NAMESPACE", "POD_UID", "NODE_NAME"};
constexpr std::array kOwnVolumes = {"config", "state", "tmp", "credentials", "model", "operator-keys"};
constexpr std::array kOwnPaths = {"/etc/pilotlight", "/var/lib/pilotlight", "/mnt/model", "/tmp"};

bool IsOneOf(const auto& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

// The schema's own patterns.
const std::regex& UriPattern() {
  static const std::regex pattern(R"(^(https?://[^\s/]+/\S+|pvc://[a-z0-9][-.a-z0-9]*/\S+|file:///\S+)$)");
  return pattern;
}
const std::regex& UserInfoPattern() {
  static const std::regex pattern("^[a-z]+://[^/]*@");
  return pattern;
}
const std::regex& DigestPattern() {
  static const std::regex pattern("^sha256:[a-f0-9]{64}$");
  return pattern;
}
const std::regex& PublicKeyPattern() {
  static const std::regex pattern(
      R"(^\s*-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*$)");
  return pattern;
}
const std::regex& SecretPattern() {
  static const std::regex pattern("^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$");
  return pattern;
}
const std::regex& HeaderPattern() {
  static const std::regex pattern("^(?!x-pilotlight-)[a-z0-9][-a-z0-9]*$");
  return pattern;
}
const std::regex& NamePattern() {
  static const std::regex pattern("^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$");
  return pattern;
}

bool Matches(const std::string& text, const std::regex& pattern) {
  return std::regex_search(text, pattern);
}

class Checker {
 public:
  // Adds an error unless `holds`.
  bool Require(bool holds, std::string field, std::string message) {
    if (!holds) errors_.push_back({std::move(field), std::move(message)});
    return holds;
  }
  void Range(std::int64_t value, std::int64_t least, std::int64_t most, std::string field) {
    Require(value >= least && value <= most, std::move(field),
            "must be from " + std::to_string(least) + " to " + std::to_string(most) + ", not " +
                std::to_string(value));
  }
  void Range(const std::optional<double>& value, std::string field) {
    Require(!value || (*value >= 0 && *value <= 1), std::move(field), "must be from 0 to 1");
  }
  void Length(std::size_t value, std::size_t most, std::string field, const char* what) {
    Require(value <= most, std::move(field), "must have at most " + std::to_string(most) + " " + what);
  }
  std::vector<FieldError> Take() { return std::move(errors_); }

 private:
  std::vector<FieldError> errors_;
};

// Scheme and host, or scheme and claim, with the slash behind.
std::string_view Place(std::string_view uri) {
  const auto path = uri.find('/', uri.find("://") + 3);
  return uri.substr(0, path + 1);
}

void CheckSignature(Checker& check, const Model& model) {
  const Signature& signature = *model.signature;
  const std::string path = "spec.model.signature";
  check.Require(IsOneOf(kPolicies, signature.policy), path + ".policy", "must be Require, Warn or Off");
  check.Require(signature.policy == "Off" || !signature.public_keys.empty(), path,
                "signature needs publicKeys, or policy Off");
  check.Length(signature.public_keys.size(), 8, path + ".publicKeys", "keys");
  for (std::size_t i = 0; i < signature.public_keys.size(); ++i) {
    const std::string& key = signature.public_keys[i];
    check.Require(key.size() <= 1024 && Matches(key, PublicKeyPattern()),
                  path + ".publicKeys[" + std::to_string(i) + "]",
                  "must be one public key in PEM (-----BEGIN PUBLIC KEY-----) of at most 1024 characters");
  }
  if (signature.uri.empty()) return;
  check.Length(signature.uri.size(), 2048, path + ".uri", "characters");
  check.Require(signature.uri.find_first_of(" \t\r\n") == std::string::npos, path + ".uri",
                "must hold no white space");
  check.Require(
      signature.uri.starts_with(Place(model.uri)), path,
      "signature.uri must be on the host or claim of uri, whose credentials and volume it is fetched with");
}

void CheckModel(Checker& check, const Model& model) {
  if (!check.Require(!model.uri.empty(), "spec.model.uri", "is required")) return;
  check.Length(model.uri.size(), 2048, "spec.model.uri", "characters");
  if (model.uri.size() > 2048) return;
  check.Require(Matches(model.uri, UriPattern()), "spec.model.uri",
                "must be https://host/path, http://host/path, pvc://claim/path or file:///path");
  check.Require(
      !Matches(model.uri, UserInfoPattern()), "spec.model.uri",
      "uri must not hold a user or a password: put them into a Secret and name it in credentialsSecret");
  check.Require(model.digest.empty() || Matches(model.digest, DigestPattern()), "spec.model.digest",
                "must be sha256: and 64 hexadecimal digits in lower case");
  check.Require(IsOneOf(kFormats, model.format), "spec.model.format",
                "must be TorchScript, ONNX or AOTInductor");
  check.Require(model.format != "AOTInductor" || (model.signature && model.signature->policy == "Require" &&
                                                  !model.signature->public_keys.empty()),
                "spec.model",
                "format AOTInductor is machine code: it needs signature with publicKeys and policy Require");
  if (model.signature) CheckSignature(check, model);
  if (model.credentials_secret.empty()) return;
  check.Length(model.credentials_secret.size(), 253, "spec.model.credentialsSecret", "characters");
  check.Require(Matches(model.credentials_secret, SecretPattern()), "spec.model.credentialsSecret",
                "must be the name of a Secret");
  check.Require(model.uri.starts_with("http"), "spec.model.credentialsSecret",
                "credentialsSecret has no effect on this uri: it is for http and https");
}

void CheckTensor(Checker& check, const Tensor& tensor, const std::string& path) {
  check.Require(!tensor.name.empty() && tensor.name.size() <= 127, path + ".name",
                "must have 1 to 127 characters");
  check.Require(IsOneOf(kDatatypes, tensor.datatype), path + ".datatype",
                "must be BOOL, UINT8, INT8, INT16, INT32, INT64, FP16, BF16, FP32 or FP64");
  check.Length(tensor.shape.size(), 8, path + ".shape", "dimensions");
  check.Require(std::ranges::all_of(tensor.shape, [](std::int64_t d) { return d == -1 || d >= 1; }),
                path + ".shape", "a dimension of shape must be -1 (it may vary) or at least 1");
  if (!tensor.labels.empty()) {
    check.Length(tensor.labels.size(), 10000, path + ".labels", "labels");
    check.Require((tensor.shape.size() == 1 || tensor.shape.size() == 2) &&
                      std::cmp_equal(tensor.shape.back(), tensor.labels.size()),
                  path + ".labels", "labels need a shape of [n] or [-1, n] where n is their number");
  }
  check.Require(IsOneOf(kActivations, tensor.activation), path + ".activation", "must be softmax or none");
  check.Require(tensor.activation.empty() || !tensor.labels.empty(), path + ".activation",
                "activation has no effect without labels");
}

void CheckTensors(Checker& check, const std::vector<Tensor>& tensors, const std::string& path) {
  check.Require(!tensors.empty() && tensors.size() <= 64, path, "must have 1 to 64 tensors");
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string item = path + "[" + std::to_string(i) + "]";
    CheckTensor(check, tensors[i], item);
    check.Require(names.insert(tensors[i].name).second, item + ".name", "must be there once only");
  }
}

void CheckContract(Checker& check, const Contract& contract) {
  CheckTensors(check, contract.inputs, "spec.contract.inputs");
  CheckTensors(check, contract.outputs, "spec.contract.outputs");
  check.Require(
      std::ranges::count_if(contract.outputs, [](const Tensor& t) { return !t.labels.empty(); }) <= 1,
      "spec.contract.outputs", "only one output can have labels");
}

void CheckWarmup(Checker& check, const Spec& spec) {
  const auto& sizes = spec.warmup.batch_sizes;
  check.Length(sizes.size(), 16, "spec.warmup.batchSizes", "sizes");
  for (const std::int64_t size : sizes) check.Range(size, 1, 65536, "spec.warmup.batchSizes");
  check.Require(std::set(sizes.begin(), sizes.end()).size() == sizes.size(), "spec.warmup.batchSizes",
                "must not hold a size twice");
  if (sizes.empty() || !spec.contract) return;
  check.Require(
      std::ranges::all_of(spec.contract->inputs,
                          [](const Tensor& t) { return !t.shape.empty() && t.shape.front() == -1; }),
      "spec.warmup.batchSizes",
      "warmup.batchSizes needs inputs whose first dimension may vary: make it -1 in the contract, or leave "
      "batchSizes out");
}

void CheckRate(Checker& check, const std::optional<double>& rate, const std::string& field) {
  check.Require(!rate || (*rate >= 0.0001 && *rate <= 0.5), field, "must be from 0.0001 to 0.5");
}

void CheckPods(Checker& check, const IntOrPercent& pods, const std::string& field) {
  const std::int64_t most = pods.percent ? 100 : 10000;
  check.Require(pods.value >= 0 && pods.value <= most, field,
                "must be from 0 to 10000 pods, or from 0% to 100% of spec.replicas");
}

void CheckCanary(Checker& check, const Canary& canary) {
  const std::string path = "spec.rollout.canary";
  check.Length(canary.steps.size(), 20, path + ".steps", "steps");
  for (std::size_t i = 0; i < canary.steps.size(); ++i) {
    const CanaryStep& step = canary.steps[i];
    const std::string at = path + ".steps[" + std::to_string(i) + "]";
    check.Range(step.weight, 0, 100, at + ".weight");
    check.Range(step.mirror, 0, 100, at + ".mirror");
    check.Require(step.weight > 0 || step.mirror > 0, at,
                  "a step without weight needs mirror: it would show nothing");
    check.Require(
        step.weight < 100 || step.mirror == 0, at,
        "mirror has no effect at weight 100: there are no answers of the stable pods to compare with");
  }
  const auto no_more = [](const CanaryStep& a, const CanaryStep& b) { return a.weight >= b.weight; };
  check.Require(std::ranges::adjacent_find(canary.steps, no_more) == canary.steps.end(), path + ".steps",
                "each step's weight must be above the one before");
  check.Require(
      canary.steps.empty() || canary.steps.front().weight < 100 || canary.analysis.latency_threshold, path,
      "a first step of weight 100 needs analysis.latencyThresholdMilliseconds: the stable pods "
      "get no requests that would tell what is slow");
  check.Length(canary.session_header.size(), 64, path + ".sticky.header", "characters");
  check.Require(canary.session_header.empty() || Matches(canary.session_header, HeaderPattern()),
                path + ".sticky.header",
                "must be the name of a header in lower case, and none that begins with x-pilotlight-");
  check.Require(IsOneOf(kFallbacks, canary.fallback), path + ".fallback", "must be Local or Off");
  check.Require(IsOneOf(kCapacities, canary.stable_capacity), path + ".stableCapacity",
                "must be Full or Proportional");
  const bool mirrors =
      std::ranges::any_of(canary.steps, [](const CanaryStep& step) { return step.mirror > 0; });
  check.Require(!mirrors || canary.fallback != "Off", path,
                "mirror needs fallback Local: it has the model run twice");
  const Analysis& analysis = canary.analysis;
  check.Range(analysis.min_requests, 1, 1000000, path + ".analysis.minRequests");
  check.Require(analysis.false_abort_probability >= 0.0001 && analysis.false_abort_probability <= 0.1,
                path + ".analysis.falseAbortProbability", "must be from 0.0001 to 0.1");
  check.Require(analysis.max_ratio >= 1 && analysis.max_ratio <= 10, path + ".analysis.maxRatio",
                "must be from 1 to 10");
  CheckRate(check, analysis.max_error_rate, path + ".analysis.maxErrorRate");
  CheckRate(check, analysis.max_slow_rate, path + ".analysis.maxSlowRate");
  CheckRate(check, analysis.max_disagreement_rate, path + ".analysis.maxDisagreementRate");
  if (analysis.latency_threshold)
    check.Range(analysis.latency_threshold->count(), 1, 3600000,
                path + ".analysis.latencyThresholdMilliseconds");
}

void CheckRollout(Checker& check, const Rollout& rollout) {
  check.Require(IsOneOf(kStrategies, rollout.strategy), "spec.rollout.strategy",
                "must be RollingUpdate or Canary");
  check.Require(!rollout.canary || rollout.strategy == "Canary", "spec.rollout",
                "canary has no effect without strategy Canary");
  if (rollout.canary) CheckCanary(check, *rollout.canary);
  check.Length(rollout.promote.size(), 63, "spec.rollout.promote", "characters");
  CheckPods(check, rollout.max_surge, "spec.rollout.rollingUpdate.maxSurge");
  CheckPods(check, rollout.max_unavailable, "spec.rollout.rollingUpdate.maxUnavailable");
  check.Require(rollout.max_surge.value > 0 || rollout.max_unavailable.value > 0,
                "spec.rollout.rollingUpdate",
                "maxSurge and maxUnavailable must not both be 0: no pod could ever be replaced");
  check.Range(rollout.revision_history_limit, 0, 50, "spec.rollout.revisionHistoryLimit");
  check.Length(rollout.abort.size(), 63, "spec.rollout.abort", "characters");
  check.Range(rollout.min_ready_seconds, 0, 86400, "spec.rollout.minReadySeconds");
  check.Require(rollout.progress_deadline > std::chrono::seconds(rollout.min_ready_seconds), "spec.rollout",
                "progressDeadline must be longer than minReadySeconds");
  check.Length(rollout.retry.size(), 63, "spec.rollout.retry", "characters");
}

// Checks `key` of each object of the list `field` of the template: it must be there and pass `allowed`.
template <typename F>
void CheckItems(Checker& check, const json& pod, const char* field, const char* key, F allowed,
                const char* message) {
  const auto list = pod.find(field);
  if (list == pod.end()) return;
  const std::string path = std::string("spec.template.") + field;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string text = TextAt((*list)[i], key);
    const std::string item = path + "[" + std::to_string(i) + "]";
    if (!check.Require(!text.empty(), item + "." + key, "is required")) continue;
    check.Require(allowed(text), path, message);
  }
}

void CheckTemplate(Checker& check, const Template& pod_template) {
  for (const auto& [label, value] : pod_template.labels.items()) {
    check.Require(
        !label.starts_with("pilotlight.dev/") && !IsOneOf(kOwnLabels, label), "spec.template.metadata.labels",
        "labels pilotlight.dev/* and app.kubernetes.io/name, instance and managed-by belong to the operator");
  }
  for (const auto& [annotation, value] : pod_template.annotations.items()) {
    check.Require(!annotation.starts_with("pilotlight.dev/"), "spec.template.metadata.annotations",
                  "annotations pilotlight.dev/* belong to the operator");
  }
  const auto not_ours = [](const auto& own) {
    return [&own](const std::string& t) { return !IsOneOf(own, t); };
  };
  const json& pod = pod_template.pod;
  CheckItems(
      check, pod, "env", "name",
      [&](const std::string& name) {
        return !name.starts_with("PILOTLIGHT_") && not_ours(kOwnVariables)(name);
      },
      "variables PILOTLIGHT_*, POD_NAME, POD_NAMESPACE, POD_UID and NODE_NAME belong to the operator");
  CheckItems(check, pod, "volumes", "name", not_ours(kOwnVolumes),
             "volumes config, state, tmp, credentials, model and operator-keys belong to the operator");
  CheckItems(
      check, pod, "volumeMounts", "mountPath",
      [](const std::string& path) {
        return std::ranges::none_of(
            kOwnPaths, [&](const std::string& own) { return path == own || path.starts_with(own + "/"); });
      },
      "/etc/pilotlight, /var/lib/pilotlight, /mnt/model and /tmp are mounted by the operator");
  CheckItems(check, pod, "imagePullSecrets", "name", [](const std::string&) { return true; }, "");
}

}  // namespace

std::vector<FieldError> Validate(std::string_view name, const Spec& spec) {
  Checker check;
  check.Require(
      Matches(std::string(name), NamePattern()), "metadata.name",
      "name must be at most 52 characters of a-z, 0-9 and '-', must start with a letter and must not end "
      "with '-': the Service bears it");
  CheckModel(check, spec.model);
  if (spec.contract) CheckContract(check, *spec.contract);
  check.Range(spec.validation.absolute_tolerance, "spec.validation.absoluteTolerance");
  check.Range(spec.validation.relative_tolerance, "spec.validation.relativeTolerance");
  check.Require(IsOneOf(kLevels, spec.validation.minimum_level), "spec.validation.minimumLevel",
                "must be Loaded, Contract or Answers");
  CheckWarmup(check, spec);
  check.Range(spec.runtime.threads, 0, 1024, "spec.runtime.threads");
  check.Range(spec.endpoint.max_request_bytes, 1024, 1073741824, "spec.endpoint.maxRequestBytes");
  check.Range(spec.replicas, 0, 10000, "spec.replicas");
  CheckRollout(check, spec.rollout);
  CheckTemplate(check, spec.pod_template);
  return check.Take();
}

}  // namespace pilotlight::api
