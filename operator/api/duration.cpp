#include "operator/api/duration.h"

#include <array>
#include <charconv>
#include <utility>

namespace pilotlight::api {
namespace {

using std::chrono::seconds;

constexpr seconds kLongest = std::chrono::hours(24);
constexpr std::array<std::pair<char, seconds>, 3> kUnits = {
    {{'h', std::chrono::hours(1)}, {'m', std::chrono::minutes(1)}, {'s', seconds(1)}}};

}  // namespace

std::optional<seconds> ParseDuration(std::string_view text) {
  seconds total{0};
  std::size_t next_unit = 0;
  while (!text.empty()) {
    unsigned count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end == text.data() + text.size()) return std::nullopt;
    while (next_unit < kUnits.size() && kUnits[next_unit].first != *end) ++next_unit;
    if (next_unit == kUnits.size()) return std::nullopt;
    total += std::int64_t{count} * kUnits[next_unit++].second;
    if (total > kLongest) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  if (total == seconds(0)) return std::nullopt;
  return total;
}

std::string FormatDuration(seconds length) {
  std::string text;
  for (const auto& [letter, unit] : kUnits) {
    if (const auto count = length / unit; count > 0) text += std::to_string(count) + letter;
    length %= unit;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace pilotlight::api
