#include "sidecar/wire/recheck.h"

namespace pilotlight::wire {

using nlohmann::json;

namespace {

std::optional<std::uint64_t> whole(const json& document, const char* name) {
  const auto found = document.find(name);
  if (found == document.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

}  // namespace

json to_json(const Recheck& recheck) {
  return {{"id", recheck.id}, {"case", recheck.golden_case}};
}

std::expected<Recheck, std::string> recheck_from_json(const json& document) {
  const auto id = document.is_object() ? whole(document, "id") : std::nullopt;
  const auto golden_case = document.is_object() ? whole(document, "case") : std::nullopt;
  if (!id) return std::unexpected("id must be a whole number");
  if (!golden_case) return std::unexpected("case must be a whole number");
  return Recheck{.id = *id, .golden_case = *golden_case};
}

json to_json(const Rechecked& rechecked) {
  json document = {{"id", rechecked.id}, {"case", rechecked.golden_case}};
  if (!rechecked.worst_error.is_null()) document["worstError"] = rechecked.worst_error;
  if (rechecked.failure) document["failure"] = to_json(*rechecked.failure);
  return document;
}

std::expected<Rechecked, std::string> rechecked_from_json(const json& document) {
  const auto id = document.is_object() ? whole(document, "id") : std::nullopt;
  if (!id) return std::unexpected("id must be a whole number");
  Rechecked rechecked{.id = *id, .golden_case = {}, .worst_error = {}, .failure = {}};
  if (const auto name = document.find("case"); name != document.end() && name->is_string()) {
    rechecked.golden_case = name->get<std::string>();
  }
  if (const auto failure = document.find("failure"); failure != document.end()) {
    if (!failure->is_object()) return std::unexpected("failure must be an object");
    rechecked.failure = failure_from_json(*failure);
  } else if (const auto worst = document.find("worstError"); worst != document.end() && worst->is_object()) {
    rechecked.worst_error = *worst;
  } else {
    return std::unexpected("neither worstError nor failure is there");
  }
  return rechecked;
}

}  // namespace pilotlight::wire
