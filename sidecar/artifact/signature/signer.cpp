#include "sidecar/artifact/signature/signer.h"

#include <algorithm>
#include <format>

#include "common/dsse/dsse.h"

namespace pilotlight::signature {
namespace {

std::string nobody(const Envelope& envelope, std::span<const PublicKey> keys) {
  std::string ids;
  for (const auto& key : keys) ids += (ids.empty() ? "" : ", ") + key.id();
  return std::format("has {} signature{}, none by {}{}", envelope.signatures.size(),
                     envelope.signatures.size() == 1 ? "" : "s",
                     keys.size() == 1 ? "the key " : "any of the keys ", ids);
}

}  // namespace

std::expected<const PublicKey*, std::string> signer_of(const Envelope& envelope,
                                                       std::span<const PublicKey> keys) {
  const auto message = dsse::PreAuthenticationEncoding(envelope.payload_type, envelope.payload);
  const auto found = std::ranges::find_if(keys, [&](const PublicKey& key) {
    return std::ranges::any_of(envelope.signatures,
                               [&](const auto& each) { return key.verify(message, each); });
  });
  if (found == keys.end()) return std::unexpected(nobody(envelope, keys));
  return &*found;
}

}  // namespace pilotlight::signature
