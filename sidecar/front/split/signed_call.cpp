#include "sidecar/front/split/signed_call.h"

#include <format>
#include <optional>

#include "common/text/printable.h"
#include "common/time/rfc3339.h"
#include "sidecar/artifact/sha256.h"
#include "sidecar/artifact/signature/signer.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using Time = std::chrono::system_clock::time_point;

std::unexpected<CallRefusal> refuse(unsigned status, std::string message) {
  return std::unexpected(CallRefusal{status, std::move(message)});
}

const std::string* text_at(const json& payload, const char* name) {
  const auto found = payload.find(name);
  return found != payload.end() && found->is_string() ? found->get_ptr<const json::string_t*>() : nullptr;
}

std::optional<Time> time_at(const json& payload, const char* name) {
  const auto* text = text_at(payload, name);
  return text == nullptr ? std::nullopt : ParseTime(*text);
}

// What in the payload is meant for somebody else; empty: nothing.
std::string meant_for_another(const json& payload, std::string_view call, const Identity& identity) {
  struct Named {
    const char* field;
    std::string_view is;
  };
  for (const auto& [field, is] : std::initializer_list<Named>{
           {"call", call}, {"podUID", identity.pod_uid}, {"revision", identity.revision}}) {
    const auto* told = text_at(payload, field);
    if (told == nullptr) return std::format("the signed call has no {}; it must be '{}'", field, is);
    if (*told != is) {
      return std::format("the signed call's {} is {}, but it came to '{}'; sign one for each", field,
                         Quoted(*told), is);
    }
  }
  return {};
}

std::string not_for_now(const json& payload, Time now) {
  const auto issued = time_at(payload, "issuedAt");
  const auto expires = time_at(payload, "expiresAt");
  if (!issued || !expires) return "the signed call's issuedAt or expiresAt is not an RFC 3339 time";
  if (*expires <= *issued || *expires - *issued > kCallLasts) {
    return std::format("the signed call holds from {} to {}; it must end later than it begins, and within {}",
                       FormatTime(*issued), FormatTime(*expires), kCallLasts);
  }
  if (now >= *expires) {
    return std::format("the signed call held until {}, and it is {}; sign it again, or set the clocks",
                       FormatTime(*expires), FormatTime(now));
  }
  if (*issued > now + kCallSkew) {
    return std::format("the signed call holds from {}, and it is {}; set the clocks", FormatTime(*issued),
                       FormatTime(now));
  }
  return {};
}

}  // namespace

std::expected<SignedCall, CallRefusal> read_signed_call(std::string_view text,
                                                        std::span<const signature::PublicKey> keys,
                                                        std::string_view call, const Identity& identity,
                                                        Time now) {
  if (keys.empty()) {
    return refuse(403,
                  "this pod has no public key of an operator, so nobody may do this; mount one in the folder "
                  "of --operator-keys-dir");
  }
  const auto envelope = signature::parse_envelope(text);
  if (!envelope) {
    return refuse(401, std::format("the body {}; this call must be signed by the operator (docs/sidecar.md)",
                                   envelope.error()));
  }
  if (const auto signer = signature::signer_of(*envelope, keys); !signer) {
    return refuse(401, std::format("the call {}; sign it with a key that this pod is given", signer.error()));
  }
  if (envelope->payload_type != kCallType) {
    return refuse(401,
                  std::format("what is signed is {}, not {}", Quoted(envelope->payload_type), kCallType));
  }
  auto payload = json::parse(envelope->payload, nullptr, false);
  if (!payload.is_object()) return refuse(400, "what is signed is not a JSON object");
  if (auto why = meant_for_another(payload, call, identity); !why.empty()) return refuse(403, std::move(why));
  if (auto why = not_for_now(payload, now); !why.empty()) return refuse(403, std::move(why));
  const auto epoch = payload.find("epoch");
  if (epoch == payload.end() || !epoch->is_number_unsigned() || *epoch == 0) {
    return refuse(400, "the signed call's epoch is not a positive whole number");
  }
  const auto body = payload.find("body");
  if (body == payload.end() || !body->is_object()) {
    return refuse(400, "the signed call's body is not an object");
  }
  // Its JSON is the same for the same body: names in order, no white space.
  const auto canonical =
      std::format("{} {}", call, body->dump(-1, ' ', false, json::error_handler_t::replace));
  return SignedCall{.epoch = epoch->get<std::uint64_t>(),
                    .body = std::move(*body),
                    .digest = artifact::hex_of(artifact::sha256_of(std::as_bytes(std::span(canonical))))};
}

}  // namespace pilotlight::front
