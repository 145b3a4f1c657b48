#include "common/time/rfc3339.h"

#include <charconv>
#include <format>
#include <sstream>

namespace pilotlight {
namespace {

constexpr int kFirstYear = 1678;
constexpr int kLastYear = 2261;

}  // namespace

std::string FormatTime(std::chrono::system_clock::time_point time) {
  return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(time));
}

std::string FormatMicroTime(std::chrono::system_clock::time_point time) {
  return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::microseconds>(time));
}

std::optional<std::chrono::system_clock::time_point> ParseTime(std::string_view text) {
  if (text.ends_with('Z')) return ParseTime(std::string(text.substr(0, text.size() - 1)) + "+00:00");
  // Other years' nanoseconds do not fit into 64 bits.
  int year = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), year);
  if (error != std::errc() || year < kFirstYear || year > kLastYear) return std::nullopt;
  std::istringstream in{std::string(text)};
  std::chrono::sys_time<std::chrono::nanoseconds> time;
  in >> std::chrono::parse("%FT%T%Ez", time);
  if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  return std::chrono::time_point_cast<std::chrono::system_clock::duration>(time);
}

}  // namespace pilotlight
