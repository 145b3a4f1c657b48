#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/wire/contract.h"
#include "sidecar/wire/failure.h"

namespace pilotlight::front {

enum class Phase {
  kStarting,
  kFetching,
  kChecking,
  kLoading,
  kWarming,
  kReady,
  kDraining,
  kFailed,
  kRetrying
};

std::string_view phase_name(Phase phase);
std::optional<Phase> phase_from_name(std::string_view name);

// How long each part took, in seconds; negative: not known.
struct Timings {
  double fetch = -1;
  double check = -1;
  double load = -1;
  double warm = -1;
  double total = -1;
};

// What the last golden re-check found.
struct RecheckReport {
  std::chrono::system_clock::time_point at;
  std::uint64_t cases = 0;  // that were run
  nlohmann::json worst_error;
  std::optional<wire::Failure> failure;  // nothing: all passed
};

// All that the front knows about itself. One writer: Lifecycle.
struct Status {
  Phase phase = Phase::kStarting;
  std::chrono::system_clock::time_point since;
  bool final = false;
  int attempt = 1;
  std::string digest;
  std::uint64_t bytes_fetched = 0;
  std::uint64_t bytes_total = 0;
  std::optional<wire::Failure> failure;
  nlohmann::json proof;  // null until the model has passed
  std::optional<wire::Contract> contract;
  std::uint64_t engine_restarts = 0;
  std::string engine_last_exit;
  Timings timings;
  std::optional<RecheckReport> recheck;  // of the engine that serves

  bool ready() const { return phase == Phase::kReady; }
};

// Who this pod is.
struct Identity {
  std::string name;  // of the resource: the model's name to clients
  std::string namespace_;
  std::string revision;  // the model's version to clients
  std::string pod_uid;
};

// The status document of docs/sidecar.md.
nlohmann::json status_document(const Status& status, const Identity& identity);

}  // namespace pilotlight::front
