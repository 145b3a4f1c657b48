#include "sidecar/engine/bundle/zip_directory.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace pilotlight::engine {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kEndSize = 22;
constexpr std::size_t kLongestComment = 0xffff;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kEntrySize = 46;
constexpr std::uint64_t kIn64 = 0xffffffff;

template <typename T>
T number_at(std::string_view file, std::size_t at) {
  T value = 0;
  std::memcpy(&value, file.data() + at, sizeof value);  // little-endian, as ZIP is
  return value;
}

bool has(std::string_view file, std::uint64_t at, std::string_view mark, std::size_t size) {
  return at <= file.size() && file.size() - at >= size && file.substr(at).starts_with(mark);
}

// Where the directory begins, by the record at the end of the file.
std::optional<std::uint64_t> directory_begin(std::string_view file) {
  if (file.size() < kEndSize) return std::nullopt;
  const std::size_t from = file.size() - std::min(file.size(), kEndSize + kLongestComment);
  const std::size_t end = file.rfind("PK\5\6"sv);
  if (end == std::string_view::npos || end < from || !has(file, end, "PK\5\6"sv, kEndSize))
    return std::nullopt;
  const std::uint64_t begin = number_at<std::uint32_t>(file, end + 16);
  if (begin != kIn64) return begin;
  if (end < kLocatorSize || !has(file, end - kLocatorSize, "PK\6\7"sv, kLocatorSize)) return std::nullopt;
  const auto record = number_at<std::uint64_t>(file, end - kLocatorSize + 8);
  if (!has(file, record, "PK\6\6"sv, kEnd64Size)) return std::nullopt;
  return number_at<std::uint64_t>(file, record + 48);
}

}  // namespace

std::optional<std::multiset<std::string, std::less<>>> zip_directory_names(std::span<const std::byte> bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto at = directory_begin(file);
  if (!at) return std::nullopt;
  std::multiset<std::string, std::less<>> names;
  while (has(file, *at, "PK\1\2"sv, kEntrySize)) {
    const std::size_t name = number_at<std::uint16_t>(file, *at + 28);
    const std::size_t rest =
        number_at<std::uint16_t>(file, *at + 30) + number_at<std::uint16_t>(file, *at + 32);
    *at += kEntrySize;
    if (file.size() - *at < name + rest) return std::nullopt;
    names.emplace(file.substr(*at, name));
    *at += name + rest;
  }
  return names;
}

}  // namespace pilotlight::engine
