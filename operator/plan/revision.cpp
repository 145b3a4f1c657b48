#include "operator/plan/revision.h"

#include <openssl/sha.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "operator/api/duration.h"

namespace pilotlight::plan {
namespace {

using api::Spec;
using nlohmann::json;

// Changing anything here renames every revision in every cluster, and so restarts every pod. A new field is
// added like the others: left out where it is at its default.

json TensorPart(const api::Tensor& tensor) {
  json out = {{"name", tensor.name}, {"datatype", tensor.datatype}, {"shape", tensor.shape}};
  if (!tensor.labels.empty()) out["labels"] = tensor.labels;
  if (!tensor.activation.empty() && tensor.activation != "softmax") out["activation"] = tensor.activation;
  return out;
}

json SignaturePart(const api::Signature& signature) {
  json out = json::object();
  if (signature.policy != api::Signature().policy) out["policy"] = signature.policy;
  if (!signature.public_keys.empty()) out["publicKeys"] = signature.public_keys;
  if (!signature.uri.empty()) out["uri"] = signature.uri;
  return out;
}

json ModelPart(const api::Model& model) {
  json out = {{"uri", model.uri}};
  if (!model.digest.empty()) out["digest"] = model.digest;
  if (!model.credentials_secret.empty()) out["credentialsSecret"] = model.credentials_secret;
  if (!model.format.empty()) out["format"] = model.format;
  if (model.signature) out["signature"] = SignaturePart(*model.signature);
  return out;
}

json ContractPart(const api::Contract& contract) {
  json out = {{"inputs", json::array()}, {"outputs", json::array()}};
  for (const auto& tensor : contract.inputs) out["inputs"].push_back(TensorPart(tensor));
  for (const auto& tensor : contract.outputs) out["outputs"].push_back(TensorPart(tensor));
  return out;
}

json ValidationPart(const api::Validation& validation) {
  const api::Validation usual;
  json out = json::object();
  if (validation.absolute_tolerance) out["absoluteTolerance"] = *validation.absolute_tolerance;
  if (validation.relative_tolerance) out["relativeTolerance"] = *validation.relative_tolerance;
  if (validation.minimum_level != usual.minimum_level) out["minimumLevel"] = validation.minimum_level;
  if (validation.timeout != usual.timeout) out["timeout"] = api::FormatDuration(validation.timeout);
  if (validation.recheck_interval != usual.recheck_interval)
    out["recheckInterval"] = api::FormatDuration(validation.recheck_interval);
  return out;
}

json WarmupPart(const api::Warmup& warmup) {
  json out = json::object();
  if (!warmup.batch_sizes.empty()) out["batchSizes"] = warmup.batch_sizes;
  if (warmup.timeout != api::Warmup().timeout) out["timeout"] = api::FormatDuration(warmup.timeout);
  return out;
}

json RuntimePart(const api::Runtime& runtime) {
  json out = json::object();
  if (runtime.threads != 0) out["threads"] = runtime.threads;
  return out;
}

json EndpointPart(const api::Endpoint& endpoint) {
  const api::Endpoint usual;
  json out = json::object();
  if (endpoint.max_request_bytes != usual.max_request_bytes)
    out["maxRequestBytes"] = endpoint.max_request_bytes;
  if (endpoint.timeout != usual.timeout) out["timeout"] = api::FormatDuration(endpoint.timeout);
  return out;
}

json TemplatePart(const api::Template& pod_template) {
  json out = pod_template.pod;
  json metadata = json::object();
  if (!pod_template.labels.empty()) metadata["labels"] = pod_template.labels;
  if (!pod_template.annotations.empty()) metadata["annotations"] = pod_template.annotations;
  if (!metadata.empty()) out["metadata"] = std::move(metadata);
  return out;
}

}  // namespace

json RevisionedPart(const Spec& spec) {
  json out = {{"model", ModelPart(spec.model)}};
  if (spec.contract) out["contract"] = ContractPart(*spec.contract);
  const auto put = [&](const char* key, json part) {
    if (!part.empty()) out[key] = std::move(part);
  };
  put("validation", ValidationPart(spec.validation));
  put("warmup", WarmupPart(spec.warmup));
  put("runtime", RuntimePart(spec.runtime));
  put("endpoint", EndpointPart(spec.endpoint));
  put("template", TemplatePart(spec.pod_template));
  return out;
}

std::string RevisionHash(const json& part) {
  // Kubernetes' own choice for such names: no vowels, no 0, 1 and 3.
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  const std::string text = "v1 " + part.dump();
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string hash;
  for (std::size_t i = 0; i < 20; i += 2) {
    hash += kAlphabet[((std::size_t{digest[i]} << 8U) | digest[i + 1]) % kAlphabet.size()];
  }
  return hash;
}

std::string RevisionName(const api::ModelDeployment& model) {
  return model.name + "-" + RevisionHash(RevisionedPart(model.spec));
}

}  // namespace pilotlight::plan
