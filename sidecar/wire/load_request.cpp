#include "sidecar/wire/load_request.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "sidecar/wire/invalid.h"

namespace pilotlight::wire {
namespace {

using nlohmann::json;

// A part of the document; an empty object where it is left out.
json part(const json& document, const char* name) {
  const auto found = document.find(name);
  if (found == document.end() || found->is_null()) return json::object();
  if (!found->is_object()) refuse(name, "must be an object");
  return *found;
}

std::optional<double> tolerance(const json& validation, const char* name) {
  const auto found = validation.find(name);
  if (found == validation.end() || found->is_null()) return std::nullopt;
  if (!found->is_number() || !std::isfinite(found->get<double>()) || found->get<double>() < 0) {
    refuse(std::string("validation.") + name, "must be a number from 0");
  }
  return found->get<double>();
}

std::int64_t whole(const json& value, std::int64_t least, std::int64_t most, const std::string& where) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) {
    refuse(where, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value.get<std::int64_t>();
}

void read_model(const json& model, LoadRequest& request) {
  const auto found = model.find("format");
  if (found == model.end() || found->is_null()) return;
  request.format =
      found->is_string() ? model_format_from_name(found->get_ref<const std::string&>()) : std::nullopt;
  if (!request.format) refuse("model.format", "must be " + model_format_names());
}

void read_validation(const json& validation, LoadRequest& request) {
  request.absolute_tolerance = tolerance(validation, "absoluteTolerance");
  request.relative_tolerance = tolerance(validation, "relativeTolerance");
  if (const auto found = validation.find("minimumLevel"); found != validation.end()) {
    const auto level = found->is_string() ? proof_level_from_name(found->get<std::string>()) : std::nullopt;
    if (!level) refuse("validation.minimumLevel", "must be Loaded, Contract or Answers");
    request.minimum_level = *level;
  }
  if (const auto found = validation.find("nonFinite"); found != validation.end()) {
    if (*found != "Pass" && *found != "Refuse") refuse("validation.nonFinite", "must be Pass or Refuse");
    request.non_finite = *found == "Refuse" ? NonFinite::kRefuse : NonFinite::kPass;
  }
}

void read_warmup(const json& warmup, LoadRequest& request) {
  if (const auto found = warmup.find("batchSizes"); found != warmup.end()) {
    if (!found->is_array()) refuse("warmup.batchSizes", "must be a list of whole numbers");
    for (const json& size : *found) {
      request.warmup_batch_sizes.push_back(whole(size, 1, 1'000'000, "warmup.batchSizes"));
    }
  }
  if (const auto found = warmup.find("timeoutSeconds"); found != warmup.end()) {
    if (!found->is_number() || !(found->get<double>() >= 0)) {
      refuse("warmup.timeoutSeconds", "must be a number of seconds");
    }
    request.warmup_timeout_seconds = found->get<double>();
  }
}

Graph graph(const json& value, const char* where) {
  const auto graph = value.is_string() ? graph_from_name(value.get_ref<const std::string&>()) : std::nullopt;
  if (!graph) refuse(where, "must be plain, frozen or optimized");
  return *graph;
}

void read_runtime(const json& runtime, LoadRequest& request) {
  if (const auto found = runtime.find("threads"); found != runtime.end()) {
    request.threads = whole(*found, 0, 1024, "runtime.threads");
  }
  if (const auto found = runtime.find("graph"); found != runtime.end()) {
    request.graph = graph(*found, "runtime.graph");
  }
  if (const auto found = runtime.find("withoutGraphs"); found != runtime.end()) {
    if (!found->is_array()) refuse("runtime.withoutGraphs", "must be a list");
    for (const json& each : *found) request.without_graphs.push_back(graph(each, "runtime.withoutGraphs"));
  }
}

}  // namespace

std::string_view proof_level_name(ProofLevel level) {
  switch (level) {
    case ProofLevel::kLoaded:
      return "Loaded";
    case ProofLevel::kContract:
      return "Contract";
    case ProofLevel::kAnswers:
      return "Answers";
  }
  std::unreachable();
}

std::optional<ProofLevel> proof_level_from_name(std::string_view name) {
  for (const auto level : {ProofLevel::kLoaded, ProofLevel::kContract, ProofLevel::kAnswers}) {
    if (name == proof_level_name(level)) return level;
  }
  return std::nullopt;
}

std::string_view graph_name(Graph graph) {
  switch (graph) {
    case Graph::kPlain:
      return "plain";
    case Graph::kFrozen:
      return "frozen";
    case Graph::kOptimized:
      return "optimized";
  }
  std::unreachable();
}

std::optional<Graph> graph_from_name(std::string_view name) {
  for (const auto graph : {Graph::kPlain, Graph::kFrozen, Graph::kOptimized}) {
    if (name == graph_name(graph)) return graph;
  }
  return std::nullopt;
}

json to_json(const LoadRequest& request) {
  json validation = {{"minimumLevel", proof_level_name(request.minimum_level)},
                     {"nonFinite", request.non_finite == NonFinite::kRefuse ? "Refuse" : "Pass"}};
  if (request.absolute_tolerance) validation["absoluteTolerance"] = *request.absolute_tolerance;
  if (request.relative_tolerance) validation["relativeTolerance"] = *request.relative_tolerance;
  json runtime = {{"threads", request.threads}, {"withoutGraphs", json::array()}};
  if (request.graph) runtime["graph"] = graph_name(*request.graph);
  for (const Graph each : request.without_graphs) runtime["withoutGraphs"].push_back(graph_name(each));
  json document = {
      {"digest", request.digest},
      {"pinned", request.pinned},
      {"validation", std::move(validation)},
      {"warmup",
       {{"batchSizes", request.warmup_batch_sizes}, {"timeoutSeconds", request.warmup_timeout_seconds}}},
      {"runtime", std::move(runtime)}};
  if (request.format) document["model"]["format"] = model_format_name(*request.format);
  if (request.contract) document["contract"] = to_json(*request.contract);
  return document;
}

std::expected<LoadRequest, std::string> load_request_from_json(const json& document) try {
  if (!document.is_object()) return std::unexpected("must be an object");
  LoadRequest request;
  if (const auto found = document.find("digest"); found != document.end() && found->is_string()) {
    request.digest = found->get<std::string>();
  }
  if (const auto found = document.find("pinned"); found != document.end()) request.pinned = *found == true;
  if (const auto found = document.find("contract"); found != document.end() && !found->is_null()) {
    auto contract = contract_from_json(*found, true);
    if (!contract) refuse("contract", contract.error());
    request.contract = *std::move(contract);
  }
  read_model(part(document, "model"), request);
  read_validation(part(document, "validation"), request);
  read_warmup(part(document, "warmup"), request);
  read_runtime(part(document, "runtime"), request);
  return request;
} catch (const Invalid& invalid) {
  return std::unexpected(invalid.what);
}

}  // namespace pilotlight::wire
