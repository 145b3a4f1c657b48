#include "sidecar/front/config.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>

#include "sidecar/artifact/uri.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;

struct Invalid {
  std::string what;
};

[[noreturn]] void refuse(std::string_view field, std::string_view what) {
  throw Invalid{std::format("config.json: {} {}", field, what)};
}

const json* find(const json& document, std::string_view part, const char* name) {
  const json* from = &document;
  if (!part.empty()) {
    const auto found = document.find(part);
    if (found == document.end() || found->is_null()) return nullptr;
    if (!found->is_object()) refuse(part, "is not an object");
    from = &*found;
  }
  const auto found = from->find(name);
  return found == from->end() || found->is_null() ? nullptr : &*found;
}

std::string text(const json& document, std::string_view part, const char* name, bool needed) {
  const auto field = part.empty() ? std::string(name) : std::format("{}.{}", part, name);
  const json* value = find(document, part, name);
  if (value == nullptr) {
    if (needed) refuse(field, "is missing");
    return {};
  }
  if (!value->is_string()) refuse(field, "is not a string");
  return value->get<std::string>();
}

std::chrono::duration<double> seconds(const json& document, std::string_view part, const char* name,
                                      std::chrono::duration<double> otherwise) {
  const json* value = find(document, part, name);
  if (value == nullptr) return otherwise;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (!(number > 0 && number <= 1e7))
    refuse(std::format("{}.{}", part, name), "is not a positive number of seconds");
  return std::chrono::duration<double>(number);
}

// As above, or 0.
std::chrono::duration<double> seconds_or_none(const json& document, std::string_view part, const char* name,
                                              std::chrono::duration<double> otherwise) {
  const json* value = find(document, part, name);
  if (value != nullptr && *value == 0) return {};
  return seconds(document, part, name, otherwise);
}

std::uint64_t bytes(const json& document, std::string_view part, const char* name, std::uint64_t otherwise) {
  const json* value = find(document, part, name);
  if (value == nullptr) return otherwise;
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() == 0) {
    refuse(std::format("{}.{}", part, name), "is not a positive number of bytes");
  }
  return value->get<std::uint64_t>();
}

bool is_digest(std::string_view value) {
  return value.starts_with("sha256:") && value.size() == 7 + 64 &&
         std::ranges::all_of(value.substr(7),
                             [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// A part that only the user can mend.
wire::Failure mistake(std::string reason, std::string message) {
  return {.failure_class = wire::FailureClass::kRevision,
          .reason = std::move(reason),
          .phase = "Starting",
          .message = std::move(message),
          .remedy = "Correct the field in the ModelDeployment's spec."};
}

// Whoever demands a signature never gets less than that: what cannot be read is an error.
void read_signature(const json& part, Config& config) {
  if (!part.is_object()) refuse("model.signature", "is not an object");
  const auto policy = part.value("policy", json("Require"));
  if (policy == "Off") return;
  if (policy != "Require" && policy != "Warn")
    refuse("model.signature.policy", "is not Require, Warn or Off");
  auto& demand = config.signature.emplace();
  demand.required = policy == "Require";
  demand.uri = text(part, "", "uri", false);
  if (demand.uri.empty()) demand.uri = artifact::beside(config.uri, ".sig");
  const auto keys = part.find("publicKeys");
  if (keys == part.end() || !keys->is_array() || keys->empty()) {
    refuse("model.signature.publicKeys", "is not a list of keys");
  }
  for (std::size_t i = 0; i < keys->size(); ++i) {
    if (!(*keys)[i].is_string()) refuse("model.signature.publicKeys", "is not a list of texts");
    auto key = signature::PublicKey::parse((*keys)[i].get_ref<const std::string&>());
    if (key) {
      demand.keys.push_back(*std::move(key));
    } else {
      config.invalid =
          mistake("InvalidPublicKey", std::format("spec.model.signature.publicKeys[{}] {}", i, key.error()));
    }
  }
}

Config read(const json& document, const Environment& environment) {
  Config config;
  config.identity = {.name = text(document, "", "name", true),
                     .namespace_ = text(document, "", "namespace", true),
                     .revision = text(document, "", "revision", true),
                     .pod_uid = environment("POD_UID")};
  config.uri = text(document, "model", "uri", true);
  config.digest = text(document, "model", "digest", false);
  config.pinned = environment("PILOTLIGHT_DIGEST");
  if (!config.digest.empty() && !is_digest(config.digest))
    refuse("model.digest", "is not sha256:<64 hex digits>");
  if (!config.pinned.empty() && !is_digest(config.pinned)) {
    throw Invalid{"PILOTLIGHT_DIGEST is not sha256:<64 hex digits>"};
  }
  if (const json* signature = find(document, "model", "signature"); signature != nullptr) {
    read_signature(*signature, config);
  }
  config.validation_timeout = seconds(document, "validation", "timeoutSeconds", config.validation_timeout);
  config.recheck_interval =
      seconds_or_none(document, "validation", "recheckIntervalSeconds", config.recheck_interval);
  config.endpoint_timeout = seconds(document, "endpoint", "timeoutSeconds", config.endpoint_timeout);
  config.max_request_bytes = bytes(document, "endpoint", "maxRequestBytes", config.max_request_bytes);
  config.max_model_bytes = bytes(document, "model", "maxBytes", config.max_model_bytes);
  if (auto load = wire::load_request_from_json(document)) {
    config.load = *std::move(load);
  } else {
    config.invalid = mistake("InvalidContract", load.error());
  }
  config.load.pinned = !config.pinned.empty();
  return config;
}

}  // namespace

std::expected<Config, std::string> parse_config(std::string_view content,
                                                const Environment& environment) try {
  const auto document = json::parse(content, nullptr, false);
  if (!document.is_object()) return std::unexpected("config.json is not a JSON object");
  return read(document, environment);
} catch (const Invalid& invalid) {
  return std::unexpected(invalid.what);
}

Config laptop_config(const std::string& model) {
  Config config;
  // "path/digits.tar" is served as "digits"; what no URL could hold becomes a dash.
  auto name = std::filesystem::path(model.substr(0, model.find_first_of("?#"))).stem().string();
  std::ranges::replace_if(
      name,
      [](char c) {
        return !(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-');
      },
      '-');
  config.identity = {.name = name.empty() || name.starts_with('.') ? "model" : name,
                     .namespace_ = "local",
                     .revision = "local",
                     .pod_uid = "local"};
  config.uri = model;
  return config;
}

}  // namespace pilotlight::front
