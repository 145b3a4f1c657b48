#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/status.h"

// The resource that users write, as C++ values. crds/modeldeployments.yaml describes every field to them;
// here stands only what the code must know besides. A value at its initialiser here is what the schema
// defaults to.
//
// Thread-safety: plain values.
namespace pilotlight::api {

inline constexpr char kGroup[] = "pilotlight.dev";
inline constexpr char kVersion[] = "v1alpha1";
inline constexpr char kApiVersion[] = "pilotlight.dev/v1alpha1";
inline constexpr char kKind[] = "ModelDeployment";
inline constexpr char kPlural[] = "modeldeployments";

struct Signature {
  std::string policy = "Require";
  std::vector<std::string> public_keys;  // PEM
  std::string uri;                       // or empty: beside the model
};

struct Model {
  std::string uri;
  std::string digest;              // "sha256:<hex>", or empty: pinned by the first proof
  std::string credentials_secret;  // or empty
  std::string format;              // or empty: what the file is, if it is no machine code
  std::optional<Signature> signature;
};

struct Tensor {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> shape;  // −1: may vary
  std::vector<std::string> labels;  // outputs only
  std::string activation;           // outputs with labels only; empty: softmax
};

struct Contract {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
};

struct Validation {
  std::optional<double> absolute_tolerance;
  std::optional<double> relative_tolerance;
  std::string minimum_level = "Loaded";
  std::chrono::seconds timeout = std::chrono::minutes(5);
  std::chrono::seconds recheck_interval = std::chrono::minutes(10);  // 0: never
};

struct Warmup {
  std::vector<std::int64_t> batch_sizes;
  std::chrono::seconds timeout = std::chrono::minutes(5);
};

struct Runtime {
  std::int64_t threads = 0;  // 0: the sidecar's choice, by its CPU quota
};

struct Endpoint {
  std::int64_t max_request_bytes = 16 * 1024 * 1024;
  std::chrono::seconds timeout = std::chrono::seconds(30);
};

// A number of pods, or a share of spec.replicas.
struct IntOrPercent {
  std::int64_t value = 0;
  bool percent = false;
};

// One weight of a canary, and for how long.
struct CanaryStep {
  std::int64_t weight = 0;  // percent of the requests
  // Percent of the requests that stable pods answer and whose answers they compare with the candidate's.
  std::int64_t mirror = 0;
  std::chrono::seconds pause = std::chrono::minutes(2);
  bool until_promoted = false;  // then `pause` is 0
};

// By which the candidate is judged (docs/analysis.md).
struct Analysis {
  std::int64_t min_requests = 200;
  double false_abort_probability = 0.01;
  double max_ratio = 1.5;
  std::optional<double> max_error_rate;
  std::optional<double> max_slow_rate;
  std::optional<double> max_disagreement_rate;
  std::optional<std::chrono::milliseconds> latency_threshold;  // none: by stable's latencies
};

struct Canary {
  std::vector<CanaryStep> steps;  // none: by the number of pods
  std::string session_header;     // empty: each request for itself
  bool allow_revision_header = false;
  std::string fallback = "Local";
  std::string stable_capacity = "Full";
  Analysis analysis;
};

struct Rollout {
  std::string strategy = "RollingUpdate";
  std::optional<Canary> canary;  // with strategy Canary only; none: all defaults
  IntOrPercent max_surge{.value = 25, .percent = true};
  IntOrPercent max_unavailable;
  std::chrono::seconds progress_deadline = std::chrono::minutes(10);
  std::int64_t min_ready_seconds = 0;
  std::int64_t revision_history_limit = 10;
  bool paused = false;
  std::string promote;  // the revision that is to become stable without further steps
  std::string abort;    // the revision that is to be taken back
  std::string retry;
};

// Pod-level overrides, as the user wrote them: Kubernetes itself checks them.
struct Template {
  nlohmann::json labels = nlohmann::json::object();
  nlohmann::json annotations = nlohmann::json::object();
  // The fields of kTemplateFields that the user set, by name.
  nlohmann::json pod = nlohmann::json::object();
};
inline constexpr const char* kTemplateFields[] = {
    "nodeSelector", "tolerations",  "affinity",         "resources",         "env",
    "volumes",      "volumeMounts", "imagePullSecrets", "priorityClassName", "topologySpreadConstraints"};

struct Spec {
  // What a revision is made of.
  Model model;
  std::optional<Contract> contract;
  Validation validation;
  Warmup warmup;
  Runtime runtime;
  Endpoint endpoint;
  Template pod_template;
  // What applies at once, to every revision.
  std::int64_t replicas = 1;
  Rollout rollout;
};

// One thing wrong with a manifest. `field` is a path such as "spec.model.uri".
struct FieldError {
  std::string field;
  std::string message;
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

struct ModelDeployment {
  std::string name;
  std::string ns;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  bool deleting = false;
  Spec spec;
  // Not empty: `spec` must not be acted on (see validate.h).
  std::vector<FieldError> errors;
  Status status;
};

}  // namespace pilotlight::api
