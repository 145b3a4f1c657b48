#pragma once

#include <cstddef>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace pilotlight::engine {

inline constexpr std::size_t kMaxYamlBytes = 1 << 20;
inline constexpr std::size_t kMaxYamlDepth = 16;

enum class Scalars {
  kTyped,  // null, booleans and numbers as YAML 1.2's core schema has them
  kText,   // all as written: a version such as 2.10 is no number
};

// Reads one YAML document of the subset that docs/bundle.md allows. The error names line and column. Refused:
// anchors, aliases, tags, merge keys, keys that are no scalars or there twice, several documents, too deep,
// too large.
std::expected<nlohmann::json, std::string> read_yaml(std::string_view text, Scalars scalars);

}  // namespace pilotlight::engine
