#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace pilotlight::signature {

// A DSSE envelope (https://github.com/secure-systems-lab/dsse, v1.0), its base64 taken off. Nothing in it is
// to be believed before one of its signatures was checked.
struct Envelope {
  std::string payload_type;
  std::string payload;
  std::vector<std::string> signatures;  // their keyid is a hint that nobody here needs
};

// Each is tried with each key.
inline constexpr std::size_t kMostSignatures = 32;

// Of the envelope's JSON; unknown fields are passed over. The error says what it lacks, as the end of a
// sentence. Thread-safe: no state.
std::expected<Envelope, std::string> parse_envelope(std::string_view text);

}  // namespace pilotlight::signature
