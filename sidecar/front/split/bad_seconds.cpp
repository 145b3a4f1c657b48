#include "sidecar/front/split/bad_seconds.h"

#include <nlohmann/json.hpp>

namespace pilotlight::front {

void BadSeconds::note(std::string_view name, std::int64_t unix_second) {
  auto found = pods_.find(name);
  if (found == pods_.end()) {
    if (pods_.size() == kMostPods) return;
    found = pods_.emplace(std::string(name), Pod()).first;
  }
  auto& pod = found->second;
  if (!pod.runs.empty()) {
    auto& last = pod.runs.back();
    // Also when the clock has gone back a little: a second too few is better than one too many.
    if (unix_second < last.first + last.length && unix_second > last.first - 60) return;
    if (unix_second == last.first + last.length) {
      ++last.length;
      ++pod.count;
      return;
    }
  }
  if (pod.runs.size() == kMostRuns) pod.runs.erase(pod.runs.begin());
  pod.runs.push_back({unix_second, 1});
  ++pod.count;
}

std::uint64_t BadSeconds::count() const {
  std::uint64_t sum = 0;
  for (const auto& [name, pod] : pods_) sum += pod.count;
  return sum;
}

nlohmann::json BadSeconds::to_json() const {
  auto document = nlohmann::json::object();
  for (const auto& [name, pod] : pods_) {
    auto at = nlohmann::json::array();
    for (const auto& run : pod.runs) at.push_back({run.first, run.length});
    document[name] = {{"count", pod.count}, {"at", std::move(at)}};
  }
  return document;
}

}  // namespace pilotlight::front
