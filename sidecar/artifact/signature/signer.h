#pragma once

#include <expected>
#include <span>
#include <string>

#include "sidecar/artifact/signature/envelope.h"
#include "sidecar/artifact/signature/public_key.h"

namespace pilotlight::signature {

// The key, one of `keys`, whose owner has signed the envelope's payload as what its type says. Each key is
// tried with each signature. The error names the keys, as the end of a sentence. Thread-safe: no state.
std::expected<const PublicKey*, std::string> signer_of(const Envelope& envelope,
                                                       std::span<const PublicKey> keys);

}  // namespace pilotlight::signature
