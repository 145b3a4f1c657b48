#include "sidecar/engine/bundle/manifest.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/text/printable.h"
#include "sidecar/engine/bundle/yaml_subset.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;

constexpr std::string_view kApiVersion = "bundle.pilotlight.dev/v1";

// Thrown inside this file only.
struct InvalidManifest {
  Fault fault;
};

[[noreturn]] void invalid_manifest(const std::string& what) {
  throw InvalidManifest{invalid_bundle("model.yaml, " + what).error()};
}

// A field that must be an object; an empty one where it is left out and may be.
const json& object_field(const json& document, const char* name, bool required) {
  static const json kEmpty = json::object();
  const auto found = document.find(name);
  if (found == document.end() || found->is_null()) {
    if (required) invalid_manifest(std::string(name) + ": is missing");
    return kEmpty;
  }
  if (!found->is_object()) invalid_manifest(std::string(name) + ": must be a map");
  return *found;
}

void known_fields(const json& object, const std::string& where,
                  std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end())
      invalid_manifest(where + ": unknown field " + Quoted(key));
  }
}

std::string text_field(const json& object, const std::string& where, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
    invalid_manifest(where + name + ": must be a string");
  }
  return found->get<std::string>();
}

std::string optional_text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

void read_model(const json& document, Manifest& manifest) {
  const auto version = optional_text(document, "apiVersion");
  if (version != kApiVersion) {
    throw InvalidManifest{refuse("UnsupportedFormat",
                                 "model.yaml, apiVersion: " + Quoted(version) + "; this release reads " +
                                     std::string(kApiVersion),
                                 "Export the bundle with the exporter of this release.")
                              .error()};
  }
  const auto format = text_field(document, "", "format");
  const auto known = wire::model_format_from_name(format);
  if (!known) {
    throw InvalidManifest{
        refuse("UnsupportedFormat",
               "model.yaml, format: " + Quoted(format) + " is not " + wire::model_format_names(),
               "Export the model as " + wire::model_format_names() + ".")
            .error()};
  }
  manifest.format = *known;
  manifest.name = optional_text(document, "name");
  const json& model = object_field(document, "model", true);
  known_fields(model, "model", {"file"});
  manifest.model_file = text_field(model, "model.", "file");
}

void read_contract(const json& document, Manifest& manifest) {
  auto contract = wire::contract_from_json(object_field(document, "contract", true), true);
  if (!contract) {
    throw InvalidManifest{refuse("InvalidContract", "model.yaml, contract, " + contract.error(),
                                 "Correct the contract in model.yaml, or export the bundle again.")
                              .error()};
  }
  manifest.contract = *std::move(contract);
}

std::optional<double> tolerance(const json& golden, const char* name) {
  const auto found = golden.find(name);
  if (found == golden.end() || found->is_null()) return std::nullopt;
  if (!found->is_number() || !std::isfinite(found->get<double>()) || found->get<double>() < 0) {
    invalid_manifest(std::string("golden.") + name + ": must be a number from 0");
  }
  return found->get<double>();
}

void read_golden(const json& document, Manifest& manifest) {
  const json& golden = object_field(document, "golden", false);
  known_fields(golden, "golden", {"absoluteTolerance", "relativeTolerance", "cases"});
  manifest.absolute_tolerance = tolerance(golden, "absoluteTolerance");
  manifest.relative_tolerance = tolerance(golden, "relativeTolerance");
  const auto cases = golden.find("cases");
  if (cases == golden.end() || cases->is_null()) return;
  if (!cases->is_array()) invalid_manifest("golden.cases: must be a list of names");
  std::set<std::string> seen;
  for (const json& each : *cases) {
    const std::string where = "golden.cases[" + std::to_string(manifest.cases.size()) + "]";
    if (!each.is_string()) invalid_manifest(where + ": must be a string");
    auto name = each.get<std::string>();
    if (name.empty() || name.find('/') != std::string::npos)
      invalid_manifest(where + ": " + Quoted(name) + " is no case name");
    if (!seen.insert(name).second) invalid_manifest(where + ": " + Quoted(name) + " is there twice");
    manifest.cases.push_back(std::move(name));
  }
}

bool is_digest(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  return text.size() == kPrefix.size() + 64 && text.starts_with(kPrefix) &&
         text.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
}

void read_files(const json& document, Manifest& manifest) {
  for (const auto& [name, digest] : object_field(document, "files", true).items()) {
    if (!digest.is_string() || !is_digest(digest.get_ref<const std::string&>())) {
      invalid_manifest("files: " + Quoted(name) + " must have sha256: and 64 hexadecimal digits");
    }
    manifest.files.emplace(name, digest.get<std::string>());
  }
}

// The versions as they were written, not as numbers.
void read_exporter(std::string_view yaml, Manifest& manifest) {
  const auto document = read_yaml(yaml, Scalars::kText);
  if (!document) return;  // read once already
  const auto exporter = document->find("exporter");
  if (exporter == document->end() || !exporter->is_object()) return;
  manifest.exporter.torch = optional_text(*exporter, "torch");
  manifest.exporter.python = optional_text(*exporter, "python");
  manifest.exporter.cpu = optional_text(*exporter, "cpu");
  const auto packages = exporter->find("packages");
  if (packages == exporter->end() || !packages->is_object()) return;
  manifest.exporter.onnxruntime = optional_text(*packages, "onnxruntime");
}

}  // namespace

Outcome<Manifest> parse_manifest(std::string_view yaml) try {
  const auto document = read_yaml(yaml, Scalars::kTyped);
  if (!document) invalid_manifest(document.error());
  if (!document->is_object()) invalid_manifest("must be a map");
  Manifest manifest;
  read_model(*document, manifest);
  read_contract(*document, manifest);
  read_golden(*document, manifest);
  read_files(*document, manifest);
  read_exporter(yaml, manifest);
  return manifest;
} catch (InvalidManifest& error) {
  return std::unexpected(std::move(error.fault));
}

}  // namespace pilotlight::engine
