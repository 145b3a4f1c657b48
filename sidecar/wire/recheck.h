#pragma once

#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "sidecar/wire/failure.h"

namespace pilotlight::wire {

// The document of a kRecheck packet.
struct Recheck {
  std::uint64_t id = 0;
  std::uint64_t golden_case = 0;  // the how manieth of the bundle's, from 0

  bool operator==(const Recheck&) const = default;
};

nlohmann::json to_json(const Recheck& recheck);
// The error names the field.
std::expected<Recheck, std::string> recheck_from_json(const nlohmann::json& document);

// The document of a kRechecked packet.
struct Rechecked {
  std::uint64_t id = 0;
  std::string golden_case;         // its name
  nlohmann::json worst_error;      // as in the proof; null where it failed
  std::optional<Failure> failure;  // nothing: the case passed

  bool operator==(const Rechecked&) const = default;
};

nlohmann::json to_json(const Rechecked& rechecked);
// The error names the field.
std::expected<Rechecked, std::string> rechecked_from_json(const nlohmann::json& document);

}  // namespace pilotlight::wire
