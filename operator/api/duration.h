#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

// Lengths of time as users write them in a manifest: Go's notation, whole hours, minutes and seconds.
//
// Thread-safety: no state.
namespace pilotlight::api {

// "90s", "5m", "1h30m": units in falling order, each at most once. Nothing for any other text, for a
// length of zero and for more than 24 hours.
std::optional<std::chrono::seconds> ParseDuration(std::string_view text);

// The shortest notation: 90 s is "1m30s", 600 s is "10m".
std::string FormatDuration(std::chrono::seconds length);

}  // namespace pilotlight::api
