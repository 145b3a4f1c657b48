#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace pilotlight::front {

// How long to wait before each further attempt: doubling from `first` to `most`, less up to a quarter by
// chance, so that pods that failed together do not come back together. Not thread-safe.
class Backoff {
 public:
  using Seconds = std::chrono::duration<double>;

  Backoff(Seconds first, Seconds most, std::uint32_t seed = std::random_device{}())
      : first_(first), most_(most), next_(first), random_(seed) {}

  Seconds next() {
    const auto delay = next_;
    next_ = std::min(next_ * 2, most_);
    return delay * std::uniform_real_distribution<>(0.75, 1.0)(random_);
  }
  void reset() { next_ = first_; }

 private:
  Seconds first_;
  Seconds most_;
  Seconds next_;
  std::minstd_rand random_;
};

}  // namespace pilotlight::front
