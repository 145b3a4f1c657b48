#include "common/dsse/dsse.h"

#include <format>
#include <nlohmann/json.hpp>

#include "common/text/base64.h"

namespace pilotlight::dsse {

using nlohmann::json;

std::string PreAuthenticationEncoding(std::string_view payload_type, std::string_view payload) {
  return std::format("DSSEv1 {} {} {} {}", payload_type.size(), payload_type, payload.size(), payload);
}

std::string Envelope(std::string_view payload_type, std::string_view payload,
                     std::span<const std::string> signatures, std::string_view keyid) {
  json document = {
      {"payloadType", payload_type}, {"payload", EncodeBase64(payload)}, {"signatures", json::array()}};
  for (const std::string& each : signatures) {
    json signature = {{"sig", EncodeBase64(each)}};
    if (!keyid.empty()) signature["keyid"] = keyid;
    document["signatures"].push_back(std::move(signature));
  }
  return document.dump();
}

}  // namespace pilotlight::dsse
