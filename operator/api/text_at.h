// For this folder only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pilotlight::api {

// The text of a field; empty if there is none, or it is no text.
inline std::string TextAt(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);  // of what is no object: end
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace pilotlight::api
