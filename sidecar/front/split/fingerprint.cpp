#include "sidecar/front/split/fingerprint.h"

namespace pilotlight::front {
namespace {

constexpr std::string_view kPrefix = "sha256:";

// The value of a digit in lower case, or 16.
unsigned digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  return c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10 : 16;
}

}  // namespace

std::string fingerprint_text(const Fingerprint& fingerprint) {
  return std::string(kPrefix) + artifact::hex_of(fingerprint);
}

std::optional<Fingerprint> parse_fingerprint(std::string_view text) {
  Fingerprint result{};
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 2 * result.size()) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto high = digit(text[2 * i]);
    const auto low = digit(text[2 * i + 1]);
    if (high > 15 || low > 15) return std::nullopt;
    result[i] = static_cast<std::byte>(16 * high + low);
  }
  return result;
}

}  // namespace pilotlight::front
