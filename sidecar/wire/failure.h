#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace pilotlight::wire {

// What is at fault, and so what follows: docs/sidecar.md lists the reasons of each.
enum class FailureClass { kRevision, kWorld, kPod };

// The reason of an engine whose device has become unusable to it: also while serving.
inline constexpr std::string_view kDeviceFailed = "DeviceFailed";

std::string_view failure_class_name(FailureClass value);

// The document of a kFailed packet, and `failure` of the status document.
struct Failure {
  FailureClass failure_class = FailureClass::kRevision;
  std::string reason;   // CamelCase, from the table
  std::string phase;    // in which it happened
  std::string message;  // what was wrong, with which value, where
  std::string remedy;   // what to do

  bool operator==(const Failure&) const = default;
};

nlohmann::json to_json(const Failure& failure);

// Fields that are missing stay empty; an unknown class reads as kWorld, which is the one that is tried again.
Failure failure_from_json(const nlohmann::json& document);

}  // namespace pilotlight::wire
