#include "sidecar/artifact/signature/statement.h"

#include <format>
#include <nlohmann/json.hpp>

namespace pilotlight::signature {
namespace {

using nlohmann::json;

std::unexpected<std::string> not_statement(std::string_view why) {
  return std::unexpected(std::format("signs something that is not an in-toto statement: {}", why));
}

std::string text_at(const json& object, const char* name) {
  const auto found = object.find(name);  // of what is no object: end
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::expected<std::vector<Subject>, std::string> parse_statement(std::string_view text) {
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return not_statement("it is not a JSON object");
  // cosign still writes the older, which has the same subjects.
  const auto type = text_at(document, "_type");
  if (type != "https://in-toto.io/Statement/v1" && type != "https://in-toto.io/Statement/v0.1") {
    return not_statement("_type is not https://in-toto.io/Statement/v1");
  }
  const auto list = document.find("subject");
  if (list == document.end() || !list->is_array() || list->empty()) return not_statement("it has no subject");
  std::vector<Subject> subjects;
  for (const json& each : *list) {
    const auto digest = each.find("digest");
    if (!each.is_object() || digest == each.end()) {
      return not_statement(std::format("subject[{}] has no digest", subjects.size()));
    }
    subjects.push_back({.name = text_at(each, "name"), .sha256 = text_at(*digest, "sha256")});
  }
  return subjects;
}

}  // namespace pilotlight::signature
