#include "sidecar/artifact/signature/envelope.h"

#include <format>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/text/base64.h"

namespace pilotlight::signature {
namespace {

using nlohmann::json;

std::unexpected<std::string> not_envelope(std::string_view why) {
  return std::unexpected(std::format("is not a DSSE envelope: {}", why));
}

// The text of a field; nothing where it is none.
const std::string* find_text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get_ptr<const json::string_t*>() : nullptr;
}

std::optional<std::string> bytes_at(const json& object, const char* name) {
  const auto* text = find_text(object, name);
  return text == nullptr ? std::nullopt : DecodeBase64(*text);
}

}  // namespace

std::expected<Envelope, std::string> parse_envelope(std::string_view text) {
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return not_envelope("it is not a JSON object");
  const auto* type = find_text(document, "payloadType");
  if (type == nullptr) return not_envelope("payloadType is not a text");
  auto payload = bytes_at(document, "payload");
  if (!payload) return not_envelope("payload is not base64");
  const auto list = document.find("signatures");
  if (list == document.end() || !list->is_array() || list->empty())
    return not_envelope("it has no signatures");
  if (list->size() > kMostSignatures) {
    return not_envelope(
        std::format("it has {} signatures; at most {} are tried", list->size(), kMostSignatures));
  }
  Envelope envelope{.payload_type = *type, .payload = *std::move(payload), .signatures = {}};
  for (const json& each : *list) {
    auto signature = each.is_object() ? bytes_at(each, "sig") : std::nullopt;
    if (!signature) {
      return not_envelope(std::format("signatures[{}].sig is not base64", envelope.signatures.size()));
    }
    envelope.signatures.push_back(*std::move(signature));
  }
  return envelope;
}

}  // namespace pilotlight::signature
