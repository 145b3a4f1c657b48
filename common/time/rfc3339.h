// Times as Kubernetes writes them. Thread-safe: no state.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pilotlight {

// "2026-11-23T21:40:00Z": metav1.Time. Parts of a second are cut off.
std::string FormatTime(std::chrono::system_clock::time_point time);
// "2026-11-23T21:40:00.123456Z": metav1.MicroTime, of Leases and Events.
std::string FormatMicroTime(std::chrono::system_clock::time_point time);
// Reads both, with any fraction and with Z or an offset such as +01:00; nothing for anything else,
// nor for years before 1678 and after 2261.
std::optional<std::chrono::system_clock::time_point> ParseTime(std::string_view text);

}  // namespace pilotlight
