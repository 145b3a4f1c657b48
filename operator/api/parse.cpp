#include "operator/api/parse.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "operator/api/duration.h"
#include "operator/api/text_at.h"
#include "operator/api/validate.h"

namespace pilotlight::api {
namespace {

using nlohmann::json;

// "0%" to "999%".
std::optional<IntOrPercent> Percent(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool canonical = error == std::errc() && std::to_string(value) + "%" == text;
  if (!canonical || value < 0 || value > 999) return std::nullopt;
  return IntOrPercent{.value = value, .percent = true};
}

// One JSON object of the manifest and the path to it. Reading a field that is absent leaves the target at its
// default; reading one of the wrong type adds an error as well.
class Reader {
 public:
  Reader(const json& object, std::string path, std::vector<FieldError>& errors)
      : object_(object), path_(std::move(path)), errors_(errors) {
    if (!object_.is_object()) Wrong(path_, "must be an object");
  }

  const json* Find(const char* key) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::string Path(const char* key) const { return path_ + "." + key; }

  void Read(const char* key, std::string& out) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return Wrong(Path(key), "must be a string");
    out = value->get<std::string>();
  }
  void Read(const char* key, std::int64_t& out) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number_integer()) return Wrong(Path(key), "must be a whole number");
    out = value->get<std::int64_t>();
  }
  void Read(const char* key, bool& out) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Wrong(Path(key), "must be true or false");
    out = value->get<bool>();
  }
  void Read(const char* key, IntOrPercent& out) {
    const json* value = Find(key);
    if (value == nullptr) return;
    const auto read = value->is_number_integer() ? std::optional(IntOrPercent{value->get<std::int64_t>()})
                      : value->is_string()       ? Percent(value->get_ref<const std::string&>())
                                                 : std::nullopt;
    if (!read) return Wrong(Path(key), "must be a number of pods or a percentage such as 25%");
    out = *read;
  }
  void Read(const char* key, std::optional<double>& out) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number()) return Wrong(Path(key), "must be a number");
    out = value->get<double>();
  }
  void Read(const char* key, double& out) {
    std::optional<double> read;
    Read(key, read);
    out = read.value_or(out);
  }
  void Read(const char* key, std::optional<std::chrono::milliseconds>& out) {
    if (Find(key) == nullptr) return;
    std::int64_t read = 0;
    Read(key, read);
    out = std::chrono::milliseconds(read);
  }
  void Read(const char* key, std::chrono::seconds& out) {
    const json* value = Find(key);
    if (value == nullptr) return;
    const auto length =
        value->is_string() ? ParseDuration(value->get_ref<const std::string&>()) : std::nullopt;
    if (!length) return Wrong(Path(key), "must be a duration from 1s to 24h such as 30s, 5m or 1h30m");
    out = *length;
  }
  // As above, and nothing at all is a length too.
  void ReadOrZero(const char* key, std::chrono::seconds& out) {
    const json* value = Find(key);
    if (value != nullptr && *value == "0s") {
      out = std::chrono::seconds(0);
    } else {
      Read(key, out);
    }
  }
  template <typename T>
  void Read(const char* key, std::vector<T>& out, bool (json::*is)() const noexcept, const char* what) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return Wrong(Path(key), "must be a list");
    for (std::size_t i = 0; i < value->size(); ++i) {
      const json& item = (*value)[i];
      if ((item.*is)()) {
        out.push_back(item.get<T>());
      } else {
        Wrong(Path(key) + "[" + std::to_string(i) + "]", what);
      }
    }
  }
  // Calls `read` with a Reader of the object at `key`, if there is one.
  template <typename F>
  bool Object(const char* key, F read) {
    const json* value = Find(key);
    if (value == nullptr) return false;
    read(Reader(*value, Path(key), errors_));
    return true;
  }
  // Calls `read` with a Reader of each object of the list at `key`.
  template <typename F>
  void Objects(const char* key, F read) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return Wrong(Path(key), "must be a list");
    for (std::size_t i = 0; i < value->size(); ++i) {
      read(Reader((*value)[i], Path(key) + "[" + std::to_string(i) + "]", errors_));
    }
  }
  void Wrong(std::string path, std::string message) {
    errors_.push_back({std::move(path), std::move(message)});
  }

 private:
  const json& object_;
  std::string path_;
  std::vector<FieldError>& errors_;
};

std::vector<Tensor> ReadTensors(Reader& contract, const char* key) {
  std::vector<Tensor> tensors;
  contract.Objects(key, [&](Reader in) {
    Tensor& tensor = tensors.emplace_back();
    in.Read("name", tensor.name);
    in.Read("datatype", tensor.datatype);
    in.Read("shape", tensor.shape, &json::is_number_integer, "must be a whole number");
    in.Read("labels", tensor.labels, &json::is_string, "must be a string");
    in.Read("activation", tensor.activation);
  });
  return tensors;
}

void ReadStrings(Reader& in, const char* key, json& out) {
  const json* value = in.Find(key);
  if (value == nullptr) return;
  if (!value->is_object()) return in.Wrong(in.Path(key), "must be an object");
  for (const auto& [name, text] : value->items()) {
    if (text.is_string()) {
      out[name] = text;
    } else {
      in.Wrong(in.Path(key) + "." + name, "must be a string");
    }
  }
}

bool IsList(std::string_view field) {
  return field != "nodeSelector" && field != "affinity" && field != "resources" &&
         field != "priorityClassName";
}

void ReadTemplate(Reader in, Template& out) {
  in.Object("metadata", [&](Reader metadata) {
    ReadStrings(metadata, "labels", out.labels);
    ReadStrings(metadata, "annotations", out.annotations);
  });
  for (const char* field : kTemplateFields) {
    const json* value = in.Find(field);
    if (value == nullptr || (value->is_structured() && value->empty())) continue;
    const bool is_text = std::string_view(field) == "priorityClassName";
    if (is_text ? !value->is_string() : IsList(field) ? !value->is_array() : !value->is_object()) {
      in.Wrong(in.Path(field), is_text         ? "must be a string"
                               : IsList(field) ? "must be a list"
                                               : "must be an object");
      continue;
    }
    out.pod[field] = *value;
  }
}

void ReadStep(Reader in, CanaryStep& out) {
  in.Read("weight", out.weight);
  in.Read("mirror", out.mirror);
  if (const json* pause = in.Find("pause"); pause != nullptr && *pause == "UntilPromoted") {
    out.until_promoted = true;
    out.pause = std::chrono::seconds(0);
  } else {
    in.Read("pause", out.pause);
  }
}

void ReadCanary(Reader in, Canary& out) {
  in.Objects("steps", [&](const Reader& step) { ReadStep(step, out.steps.emplace_back()); });
  in.Object("sticky", [&](Reader sticky) { sticky.Read("header", out.session_header); });
  in.Read("allowRevisionHeader", out.allow_revision_header);
  in.Read("fallback", out.fallback);
  in.Read("stableCapacity", out.stable_capacity);
  in.Object("analysis", [&](Reader analysis) {
    analysis.Read("minRequests", out.analysis.min_requests);
    analysis.Read("falseAbortProbability", out.analysis.false_abort_probability);
    analysis.Read("maxRatio", out.analysis.max_ratio);
    analysis.Read("maxErrorRate", out.analysis.max_error_rate);
    analysis.Read("maxSlowRate", out.analysis.max_slow_rate);
    analysis.Read("maxDisagreementRate", out.analysis.max_disagreement_rate);
    analysis.Read("latencyThresholdMilliseconds", out.analysis.latency_threshold);
  });
}

void ReadSpec(Reader in, Spec& spec) {
  if (!in.Object("model", [&](Reader model) {
        model.Read("uri", spec.model.uri);
        model.Read("digest", spec.model.digest);
        model.Read("credentialsSecret", spec.model.credentials_secret);
        model.Read("format", spec.model.format);
        model.Object("signature", [&](Reader signature) {
          auto& out = spec.model.signature.emplace();
          signature.Read("policy", out.policy);
          signature.Read("publicKeys", out.public_keys, &json::is_string, "must be a string");
          signature.Read("uri", out.uri);
        });
      })) {
    in.Wrong(in.Path("model"), "is required");
  }
  in.Object("contract", [&](Reader contract) {
    spec.contract.emplace();
    spec.contract->inputs = ReadTensors(contract, "inputs");
    spec.contract->outputs = ReadTensors(contract, "outputs");
  });
  in.Object("validation", [&](Reader validation) {
    validation.Read("absoluteTolerance", spec.validation.absolute_tolerance);
    validation.Read("relativeTolerance", spec.validation.relative_tolerance);
    validation.Read("minimumLevel", spec.validation.minimum_level);
    validation.Read("timeout", spec.validation.timeout);
    validation.ReadOrZero("recheckInterval", spec.validation.recheck_interval);
  });
  in.Object("warmup", [&](Reader warmup) {
    warmup.Read("batchSizes", spec.warmup.batch_sizes, &json::is_number_integer, "must be a whole number");
    warmup.Read("timeout", spec.warmup.timeout);
  });
  in.Object("runtime", [&](Reader runtime) { runtime.Read("threads", spec.runtime.threads); });
  in.Object("endpoint", [&](Reader endpoint) {
    endpoint.Read("maxRequestBytes", spec.endpoint.max_request_bytes);
    endpoint.Read("timeout", spec.endpoint.timeout);
  });
  in.Read("replicas", spec.replicas);
  in.Object("rollout", [&](Reader rollout) {
    rollout.Read("strategy", spec.rollout.strategy);
    rollout.Object("canary",
                   [&](const Reader& canary) { ReadCanary(canary, spec.rollout.canary.emplace()); });
    rollout.Read("promote", spec.rollout.promote);
    rollout.Object("rollingUpdate", [&](Reader rolling_update) {
      rolling_update.Read("maxSurge", spec.rollout.max_surge);
      rolling_update.Read("maxUnavailable", spec.rollout.max_unavailable);
    });
    rollout.Read("progressDeadline", spec.rollout.progress_deadline);
    rollout.Read("minReadySeconds", spec.rollout.min_ready_seconds);
    rollout.Read("revisionHistoryLimit", spec.rollout.revision_history_limit);
    rollout.Read("paused", spec.rollout.paused);
    rollout.Read("abort", spec.rollout.abort);
    rollout.Read("retry", spec.rollout.retry);
  });
  in.Object("template", [&](const Reader& pod_template) { ReadTemplate(pod_template, spec.pod_template); });
}

}  // namespace

ModelDeployment Parse(const json& object) {
  ModelDeployment out;
  if (!object.is_object()) {
    out.errors.push_back({"", "must be an object"});
    return out;
  }
  if (const auto metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
    out.name = TextAt(*metadata, "name");
    out.ns = TextAt(*metadata, "namespace");
    out.uid = TextAt(*metadata, "uid");
    out.resource_version = TextAt(*metadata, "resourceVersion");
    const auto generation = metadata->find("generation");
    if (generation != metadata->end() && generation->is_number_integer())
      out.generation = generation->get<std::int64_t>();
    out.deleting = metadata->contains("deletionTimestamp");
  }
  static const json kNothing = json::object();
  const auto spec = object.find("spec");
  ReadSpec(Reader(spec == object.end() ? kNothing : *spec, "spec", out.errors), out.spec);
  // A field of the wrong type has been named already; judging its default as well would only confuse.
  if (out.errors.empty()) out.errors = Validate(out.name, out.spec);
  if (const auto status = object.find("status"); status != object.end()) out.status = StatusFromJson(*status);
  return out;
}

}  // namespace pilotlight::api
