#pragma once

#include <chrono>
#include <cstdint>

namespace pilotlight::sim {

using Millis = std::chrono::milliseconds;

// The same numbers on every machine for the same seed: <random>'s distributions promise no such thing.
//
// Thread-safety: one thread.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // From 0 to `sides` − 1; 0 for less than one side.
  std::int64_t Below(std::int64_t sides) {
    return sides <= 0 ? 0 : static_cast<std::int64_t>(Next() % static_cast<std::uint64_t>(sides));
  }
  bool Chance(std::int64_t percent) { return Below(100) < percent; }
  Millis Between(Millis least, Millis most) { return least + Millis(Below((most - least).count() + 1)); }

 private:
  // SplitMix64.
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::uint64_t state_;
};

}  // namespace pilotlight::sim
