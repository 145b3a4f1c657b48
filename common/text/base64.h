// RFC 4648. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pilotlight {

// In the standard alphabet, with padding, in one line.
std::string EncodeBase64(std::string_view bytes);

// The bytes of base64, in the standard alphabet or in that for URLs, with its padding or without. White space
// is passed over. Nothing for anything else, and for what holds no byte.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace pilotlight
