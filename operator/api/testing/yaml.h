#pragma once

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <string>

// Files of the repository, in tests. PILOTLIGHT_SOURCE_DIR is set by CMake.
//
// Thread-safety: no state.
namespace pilotlight::api::testing {

inline std::string RepositoryFile(const std::string& path) {
  return std::string(PILOTLIGHT_SOURCE_DIR) + "/" + path;
}

// As kubectl reads it: quoted scalars are text; plain ones are numbers, booleans and nulls where they look
// so.
inline nlohmann::json ToJson(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Sequence: {
      auto list = nlohmann::json::array();
      for (const auto& item : node) list.push_back(ToJson(item));
      return list;
    }
    case YAML::NodeType::Map: {
      auto object = nlohmann::json::object();
      for (const auto& item : node) object[item.first.as<std::string>()] = ToJson(item.second);
      return object;
    }
    case YAML::NodeType::Scalar:
      break;
    default:
      return nullptr;
  }
  if (node.Tag() == "!") return node.Scalar();
  if (std::int64_t number = 0; YAML::convert<std::int64_t>::decode(node, number)) return number;
  if (double number = 0; YAML::convert<double>::decode(node, number)) return number;
  if (node.Scalar() == "true" || node.Scalar() == "false") return node.Scalar() == "true";
  return node.Scalar();
}

inline nlohmann::json LoadYaml(const std::string& path) {
  return ToJson(YAML::LoadFile(path));
}

}  // namespace pilotlight::api::testing
