#include "sidecar/wire/failure.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace pilotlight::wire {
namespace {

std::string text(const nlohmann::json& document, const char* name) {
  const auto found = document.find(name);
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string_view failure_class_name(FailureClass value) {
  switch (value) {
    case FailureClass::kRevision:
      return "Revision";
    case FailureClass::kWorld:
      return "World";
    case FailureClass::kPod:
      return "Pod";
  }
  std::unreachable();
}

nlohmann::json to_json(const Failure& failure) {
  return {{"class", failure_class_name(failure.failure_class)},
          {"reason", failure.reason},
          {"phase", failure.phase},
          {"message", failure.message},
          {"remedy", failure.remedy}};
}

Failure failure_from_json(const nlohmann::json& document) {
  Failure failure{.failure_class = FailureClass::kWorld,
                  .reason = text(document, "reason"),
                  .phase = text(document, "phase"),
                  .message = text(document, "message"),
                  .remedy = text(document, "remedy")};
  for (const auto each : {FailureClass::kRevision, FailureClass::kPod}) {
    if (text(document, "class") == failure_class_name(each)) failure.failure_class = each;
  }
  return failure;
}

}  // namespace pilotlight::wire
