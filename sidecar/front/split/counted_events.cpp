#include "sidecar/front/split/counted_events.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>

namespace pilotlight::front {

bool CountedEvents::is_over(std::int64_t unix_second) const {
  if (runs_.empty()) return false;
  const auto& last = runs_.back();
  return unix_second < last.first + last.length && unix_second > last.first - 60;
}

void CountedEvents::count(bool bad, std::int64_t unix_second, std::size_t most_runs) {
  if (is_over(unix_second)) return;
  ++requests_;
  if (!bad) return;
  ++bad_;
  if (!runs_.empty() && unix_second == runs_.back().first + runs_.back().length) {
    ++runs_.back().length;
    return;
  }
  while (runs_.size() >= most_runs) runs_.erase(runs_.begin());
  runs_.push_back({unix_second, 1});
}

nlohmann::json CountedEvents::to_json(std::size_t most_runs) const {
  auto at = nlohmann::json::array();
  for (const auto& run : runs_ | std::views::drop(runs_.size() - std::min(runs_.size(), most_runs))) {
    at.push_back({run.first, run.length});
  }
  return {{"requests", requests_}, {"bad", bad_}, {"at", std::move(at)}};
}

}  // namespace pilotlight::front
