#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/artifact/sha256.h"

namespace pilotlight::front {

// The sha256 of a certificate in DER: who somebody is on the hop.
using Fingerprint = artifact::Digest;

// "sha256:" and 64 digits in lower case. Thread-safe: no state.
std::string fingerprint_text(const Fingerprint& fingerprint);
std::optional<Fingerprint> parse_fingerprint(std::string_view text);

}  // namespace pilotlight::front
