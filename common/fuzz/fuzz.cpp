#include "common/fuzz/fuzz.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>

namespace pilotlight::fuzz {

void require(bool holds, std::string_view what, const std::source_location& where) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold: %.*s\n", where.file_name(), static_cast<unsigned>(where.line()),
               static_cast<int>(what.size()), what.data());
  std::abort();
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 0 || first > 0xf4 || length > text.size() - i) return false;
    char32_t point = length == 1 ? first : first & (0x7f >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    const char32_t least = length == 3 ? 0x800 : length == 4 ? 0x10000 : 0;
    if (point < least || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff) return false;
    i += length;
  }
  return true;
}

namespace {

bool can_be_shown(std::string_view text, std::size_t most) {
  if (text.empty() || text.size() > most || !is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;  // C1
  }
  return true;
}

}  // namespace

bool presentable(std::string_view text, std::size_t most) {
  const bool can = can_be_shown(text, most);
  if (!can)
    std::fprintf(stderr, "%zu bytes: %.*s\n", text.size(), static_cast<int>(text.size()), text.data());
  return can;
}

std::vector<std::string> split(std::string_view input, std::size_t count) {
  std::vector<std::string> parts;
  while (parts.size() + 1 < count) {
    const auto end = input.find(kSeparator);
    parts.emplace_back(input.substr(0, end));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  }
  parts.emplace_back(input);
  return parts;
}

}  // namespace pilotlight::fuzz

// libFuzzer's own names.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pilotlight::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}

// The seeds go into the first folder named, which is where libFuzzer keeps what it learns.
extern "C" int LLVMFuzzerInitialize(const int* argc, char*** argv) {
  namespace fs = std::filesystem;
  for (int i = 1; i < *argc; ++i) {
    const fs::path folder((*argv)[i]);
    if (!fs::is_directory(folder)) continue;
    std::size_t count = 0;
    for (const std::string& seed : pilotlight::fuzz::seeds()) {
      std::ofstream(folder / std::format("seed-{:03}", count++), std::ios::binary) << seed;
    }
    break;
  }
  return 0;
}
