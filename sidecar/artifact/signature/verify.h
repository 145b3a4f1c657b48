#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/artifact/signature/public_key.h"

namespace pilotlight::signature {

// Who signed, and what they called it.
struct Signed {
  std::string key_id;   // of one of the keys: PublicKey::id()
  std::string subject;  // fit for messages; may be empty
};

// Whether `envelope` is a DSSE envelope that one of `keys` has signed, around an in-toto statement with
// exactly one subject of the model's `digest` ("sha256:…"). Each key is tried with each signature. The error
// says which of these does not hold, with the values, as the end of a sentence that begins with the file's
// name. Thread-safe: no state.
std::expected<Signed, std::string> verify(std::string_view envelope, std::string_view digest,
                                          std::span<const PublicKey> keys);

}  // namespace pilotlight::signature
