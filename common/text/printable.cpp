#include "common/text/printable.h"

#include <algorithm>

namespace pilotlight {
namespace {

constexpr std::size_t kQuoted = 80;

// The bytes of the character that the text starts with; 0 if it starts with none.
std::size_t CharacterBytes(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : std::size_t{0};
  };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const auto first = at(0);
  const auto second = at(1);
  if (first < 0x80) return 1;
  if (!follows(1)) return 0;
  // Neither longer than need be, nor a surrogate, nor above the last character.
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0 && follows(2)) {
    return (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ? 0 : 3;
  }
  if (first >= 0xf0 && first < 0xf5 && follows(2) && follows(3)) {
    return (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90) ? 0 : 4;
  }
  return 0;
}

// Of a character that is whole.
bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  return first < 0x20 || first == 0x7f || (first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0);
}

template <class Accept>
bool AllCharacters(std::string_view text, Accept accept) {
  while (!text.empty()) {
    const auto bytes = CharacterBytes(text);
    if (bytes == 0 || !accept(text.substr(0, bytes))) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  return AllCharacters(text, [](std::string_view) { return true; });
}

bool IsPrintable(std::string_view text) {
  return AllCharacters(text, [](std::string_view character) { return !IsControl(character); });
}

std::string Printable(std::string_view text, std::size_t most, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    const auto bytes = std::max(CharacterBytes(text), std::size_t{1});
    const auto character = text.substr(0, bytes);
    const bool shown = kept.contains(text.front()) || IsPrintable(character);
    if (out.size() + (shown ? bytes : 1) > most) return out + "…";
    out += shown ? character : "?";
    text.remove_prefix(bytes);
  }
  return out;
}

std::string Quoted(std::string_view text) {
  return '"' + Printable(text, kQuoted) + '"';
}

}  // namespace pilotlight
