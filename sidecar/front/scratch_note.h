#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

// Small notes on the scratch volume, which outlive the front in its pod. Not thread-safe for one path.
namespace pilotlight::front {

// What was written there last; discarded where there is nothing, or nothing whole.
nlohmann::json read_note(const std::filesystem::path& path);

// Replaces it, whole or not at all. False if that was not possible, which has then been logged.
bool write_note(const std::filesystem::path& path, const nlohmann::json& note);

}  // namespace pilotlight::front
