#include "operator/control/signed_order.h"

#include <nlohmann/json.hpp>
#include <span>

#include "common/dsse/dsse.h"
#include "common/time/rfc3339.h"
#include "operator/control/operator_key.h"

namespace pilotlight::control {

std::string SignOrder(const OperatorKey& key, const plan::Order& order,
                      std::chrono::system_clock::time_point now) {
  using nlohmann::json;
  constexpr std::string_view kType = "application/vnd.pilotlight.call+json";
  const json payload = {{"call", order.call},          {"podUID", order.pod_uid},
                        {"revision", order.revision},  {"epoch", order.epoch},
                        {"issuedAt", FormatTime(now)}, {"expiresAt", FormatTime(now + kOrderLasts)},
                        {"body", order.body}};
  const std::string text = payload.dump(-1, ' ', false, json::error_handler_t::replace);
  const std::string signature = key.Sign(dsse::PreAuthenticationEncoding(kType, text));
  return dsse::Envelope(kType, text, std::span(&signature, 1));
}

}  // namespace pilotlight::control
