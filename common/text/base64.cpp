#include "common/text/base64.h"

#include <cstdint>

namespace pilotlight {
namespace {

// The six bits of a character; -1 of one that is not base64.
int Bits(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string EncodeBase64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view three = bytes.substr(at, 3);
    std::uint32_t held = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      held = (held << 8U) | (i < three.size() ? static_cast<unsigned char>(three[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i)
      out += i <= three.size() ? kDigits[(held >> (18 - 6 * i)) & 63U] : '=';
  }
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t held = 0;  // bits that are not yet a byte, the lowest of them last
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int bits = Bits(c);
    if (bits < 0 || padding > 0) return std::nullopt;
    held = (held << 6U) | static_cast<std::uint32_t>(bits);
    if (++digits % 4 != 1) out += static_cast<char>(held >> (6 - (digits - 1) % 4 * 2));
  }
  const std::size_t rest = digits % 4;
  if (digits == 0 || rest == 1 || (padding > 0 && padding != (4 - rest) % 4)) return std::nullopt;
  return out;
}

}  // namespace pilotlight
