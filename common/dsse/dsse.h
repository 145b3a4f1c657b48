// DSSE, "dead simple signing envelope": https://github.com/secure-systems-lab/dsse, v1.0. Thread-safe: no
// state.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pilotlight::dsse {

// What is signed: the pre-authentication encoding of type and payload.
std::string PreAuthenticationEncoding(std::string_view payload_type, std::string_view payload);

// The envelope's JSON around a payload and signatures of it, as bytes; `keyid`, the same hint in each, may be
// empty.
std::string Envelope(std::string_view payload_type, std::string_view payload,
                     std::span<const std::string> signatures, std::string_view keyid = {});

}  // namespace pilotlight::dsse
