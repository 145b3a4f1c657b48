#include "sidecar/front/split/counted_pods.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pilotlight::front {

std::size_t CountedPods::most_runs() const {
  return std::clamp<std::size_t>(256 / std::max<std::size_t>(1, pods_.size()), 2, kMostRuns);
}

CountedPods::Pod* CountedPods::find(std::string_view name) {
  if (const auto found = pods_.find(name); found != pods_.end()) return &found->second;
  if (pods_.size() == kMostPods) return nullptr;
  return &pods_.emplace(std::string(name), Pod()).first->second;
}

void CountedPods::answered(std::string_view name, bool bad, std::int64_t unix_second) {
  if (auto* pod = find(name); pod != nullptr) pod->errors.count(bad, unix_second, most_runs());
}

void CountedPods::took(std::string_view name, Seconds time, Seconds threshold, std::int64_t unix_second) {
  if (threshold <= Seconds::zero()) return;
  auto* pod = find(name);
  if (pod == nullptr) return;
  for (std::size_t i = 0; i < kSlow.size(); ++i) {
    pod->slow[i].count(time > kSlow[i] * threshold, unix_second, most_runs());
  }
}

void CountedPods::compared(std::string_view name, bool disagreed, std::int64_t unix_second) {
  if (auto* pod = find(name); pod != nullptr) pod->disagreement.count(disagreed, unix_second, most_runs());
}

nlohmann::json CountedPods::to_json(bool slow) const {
  auto document = nlohmann::json::object();
  for (const auto& [name, pod] : pods_) {
    auto& entry = document[name];
    entry["errors"] = pod.errors.to_json(most_runs());
    if (pod.disagreement.requests() > 0) entry["disagreement"] = pod.disagreement.to_json(most_runs());
    if (!slow) continue;
    for (const auto& events : pod.slow) entry["slow"].push_back(events.to_json(most_runs()));
  }
  return document;
}

}  // namespace pilotlight::front
