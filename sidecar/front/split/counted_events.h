#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace pilotlight::front {

// What of one pod counts for one metric, by the rule of operator/analysis/segment.h: with a bad event the
// second is over, and what comes after it in the same second is counted neither as a request nor as bad.
// Which seconds were bad is kept, as others may have seen the same pod in the same second. Not thread-safe.
class CountedEvents {
 public:
  // Of the runs of bad seconds the last `most_runs` are kept, which is at least 1; the numbers are exact, as
  // long as time does not go back. When it does by less than a minute, nothing counts until it is there
  // again: an event too few is better than a cause that counts twice.
  void count(bool bad, std::int64_t unix_second, std::size_t most_runs);

  std::uint64_t requests() const { return requests_; }
  // {"requests": 700, "bad": 3, "at": [[<unix second>, <how many in a row>], …]}
  nlohmann::json to_json(std::size_t most_runs) const;

 private:
  struct Run {
    std::int64_t first;
    std::int64_t length;
  };
  bool is_over(std::int64_t unix_second) const;

  std::uint64_t requests_ = 0;
  std::uint64_t bad_ = 0;
  std::vector<Run> runs_;
};

}  // namespace pilotlight::front
