#include "common/http/message.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pilotlight::http {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-';
}

// One segment, decoded once; empty when it is not a name.
std::string decode_segment(std::string_view segment) {
  std::string name;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    if (c == '%') {
      unsigned value = 0;
      if (i + 3 > segment.size()) return {};
      const char* end = segment.data() + i + 3;
      if (std::from_chars(segment.data() + i + 1, end, value, 16).ptr != end) return {};
      c = static_cast<char>(value);
      i += 2;
    }
    if (!is_name_char(c) || name.size() == 128) return {};
    name += c;
  }
  return name == "." || name == ".." ? std::string() : name;
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte > 0x7e) {
      // Bytes of clients are shown, never passed through: they need not be UTF-8.
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Request::field(std::string_view name) const {
  const auto found = std::ranges::find_if(fields, [&](const Field& f) { return same_name(f.name, name); });
  return found == fields.end() ? std::string_view() : found->value;
}

std::size_t Request::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields, [&](const Field& f) { return same_name(f.name, name); }));
}

Response error(unsigned status, std::string_view message) {
  Response response{.status = status};
  response.body = "{\"error\":\"";
  append_escaped(response.body, message);
  response.body += "\"}";
  return response;
}

Segments path_segments(std::string_view path) {
  if (!path.starts_with('/')) return {};
  Segments result{.valid = true};
  path.remove_prefix(1);
  if (path.empty()) return result;
  while (true) {
    const auto slash = path.find('/');
    auto name = decode_segment(path.substr(0, slash));
    if (name.empty()) return {};
    result.names.push_back(std::move(name));
    if (slash == std::string_view::npos) return result;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace pilotlight::http
