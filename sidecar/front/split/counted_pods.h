#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "sidecar/front/split/counted_events.h"

namespace pilotlight::front {

// What the requests of one side came to, pod by pod, as a canary's analysis counts them. Bounded: the first
// 128 pods count, and the more there are, the fewer runs of bad seconds are kept of each, so that the
// operator can read all of it in one status. Not thread-safe.
class CountedPods {
 public:
  static constexpr std::size_t kMostPods = 128;
  static constexpr std::size_t kMostRuns = 32;
  // A request is slow over so many times the threshold: stable's own, and the candidate's with more and with
  // one pod (operator/analysis/threshold.h).
  static constexpr std::array<double, 3> kSlow{1, 1.25, 1.5};
  using Seconds = std::chrono::duration<double>;

  // A request was answered, or failed.
  void answered(std::string_view pod, bool bad, std::int64_t unix_second);
  // A good answer, or a client's error, took so long. In place of a threshold of zero nothing counts.
  void took(std::string_view pod, Seconds time, Seconds threshold, std::int64_t unix_second);

  // A mirrored request's answer was compared.
  void compared(std::string_view pod, bool disagreed, std::int64_t unix_second);

  // {"<podUID>": {"errors": {…}, "slow": [{…}, {…}, {…}], "disagreement": {…}}}, `slow` only with a
  // threshold, `disagreement` only where there was a comparison.
  nlohmann::json to_json(bool slow) const;

 private:
  struct Pod {
    CountedEvents errors;
    std::array<CountedEvents, kSlow.size()> slow;
    CountedEvents disagreement;
  };
  // Null: there are enough others.
  Pod* find(std::string_view name);
  std::size_t most_runs() const;

  std::map<std::string, Pod, std::less<>> pods_;
};

}  // namespace pilotlight::front
