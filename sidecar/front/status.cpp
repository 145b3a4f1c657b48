#include "sidecar/front/status.h"

#include <array>
#include <utility>

#include "common/time/rfc3339.h"
#include "sidecar/front/recheck.h"
#include "sidecar/front/version.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<Phase, std::string_view>, 9> kPhases{{{Phase::kStarting, "Starting"},
                                                                     {Phase::kFetching, "Fetching"},
                                                                     {Phase::kChecking, "Checking"},
                                                                     {Phase::kLoading, "Loading"},
                                                                     {Phase::kWarming, "Warming"},
                                                                     {Phase::kReady, "Ready"},
                                                                     {Phase::kDraining, "Draining"},
                                                                     {Phase::kFailed, "Failed"},
                                                                     {Phase::kRetrying, "Retrying"}}};

json timings_json(const Timings& timings) {
  json result = json::object();
  const auto add = [&](const char* name, double seconds) {
    if (seconds >= 0) result[name] = seconds;
  };
  add("fetch", timings.fetch);
  add("check", timings.check);
  add("load", timings.load);
  add("warm", timings.warm);
  add("total", timings.total);
  return result;
}

}  // namespace

std::string_view phase_name(Phase phase) {
  for (const auto& [value, name] : kPhases) {
    if (value == phase) return name;
  }
  std::unreachable();
}

std::optional<Phase> phase_from_name(std::string_view name) {
  for (const auto& [value, known] : kPhases) {
    if (known == name) return value;
  }
  return std::nullopt;
}

json status_document(const Status& status, const Identity& identity) {
  json document = {{"apiVersion", "sidecar.pilotlight.dev/v1alpha1"},
                   {"podUID", identity.pod_uid},
                   {"revision", identity.revision},
                   {"version", kVersion},
                   {"phase", phase_name(status.phase)},
                   {"since", FormatTime(status.since)},
                   {"ready", status.ready()},
                   {"final", status.final},
                   {"bytesFetched", status.bytes_fetched},
                   {"bytesTotal", status.bytes_total},
                   {"attempt", status.attempt},
                   {"engine", {{"restarts", status.engine_restarts}, {"lastExit", status.engine_last_exit}}},
                   {"timings", timings_json(status.timings)}};
  if (!status.digest.empty()) document["digest"] = status.digest;
  if (status.failure) document["failure"] = wire::to_json(*status.failure);
  if (!status.proof.is_null()) document["proof"] = status.proof;
  if (status.recheck) document["recheck"] = to_json(*status.recheck);
  if (status.contract) document["contract"] = wire::to_json(*status.contract);
  return document;
}

}  // namespace pilotlight::front
