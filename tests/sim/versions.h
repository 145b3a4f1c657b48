#pragma once

#include <nlohmann/json.hpp>
#include <string>

// The versions of the model that users deploy. Most are good; each has bytes of its own.
namespace pilotlight::sim {

inline constexpr int kVersions = 6;
inline constexpr int kBadVersion = 4;  // fails its proof wherever it runs

inline std::string Digest(char letter) {
  return "sha256:" + std::string(64, letter);
}
inline char BytesOf(int version) {
  return static_cast<char>('a' + version);
}
inline nlohmann::json SpecOf(int version) {
  return {{"model", {{"uri", "https://models.example/v" + std::to_string(version) + ".tar"}}}};
}

// The revision that a version stands for.
std::string RevisionOf(int version);

}  // namespace pilotlight::sim
