#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace pilotlight::front {

// In which seconds each pod was bad: what fails together counts once a second. The seconds themselves are
// kept, as others may have seen the same pod in the same second. Bounded: of the runs of seconds the last 32
// of each pod; the count of all is exact, as long as time does not go back. Not thread-safe.
class BadSeconds {
 public:
  static constexpr std::size_t kMostRuns = 32;
  static constexpr std::size_t kMostPods = 128;

  void note(std::string_view pod, std::int64_t unix_second);

  // Of all pods.
  std::uint64_t count() const;
  // {"<pod>": {"count": 3, "at": [[<unix second>, <how many in a row>], …]}}
  nlohmann::json to_json() const;

 private:
  struct Run {
    std::int64_t first;
    std::int64_t length;
  };
  struct Pod {
    std::uint64_t count = 0;
    std::vector<Run> runs;
  };
  std::map<std::string, Pod, std::less<>> pods_;
};

}  // namespace pilotlight::front
