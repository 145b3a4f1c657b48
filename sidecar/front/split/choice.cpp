#include "sidecar/front/split/choice.h"

#include <string>

#include "sidecar/artifact/sha256.h"

namespace pilotlight::front {
namespace {

std::uint64_t number_at(const artifact::Digest& digest, std::size_t begin) {
  std::uint64_t number = 0;
  for (std::size_t i = begin; i < begin + 8; ++i) {
    number = number << 8 | std::to_integer<std::uint64_t>(digest[i]);
  }
  return number;
}

}  // namespace

Draw draw(std::string_view salt, std::string_view key) {
  std::string text;
  text.reserve(salt.size() + 1 + key.size());
  text.append(salt).append(1, '\0').append(key);
  const auto digest = artifact::sha256_of(std::as_bytes(std::span(text)));
  return {.number = number_at(digest, 0), .session = number_at(digest, 8), .mirror = number_at(digest, 16)};
}

}  // namespace pilotlight::front
