#pragma once

#include <cstdint>
#include <string_view>

namespace pilotlight::front {

// What falls for one key: independent numbers, each uniform over 64 bits.
struct Draw {
  std::uint64_t number;   // decides the side
  std::uint64_t session;  // tells sessions apart
  std::uint64_t mirror;   // decides whether it is mirrored
};

// Of SHA-256(salt, a zero byte, key), the first eight bytes and the next ones, big-endian. The same in every
// build and release, as sides must not change under a session; and nobody who lacks the salt can choose a key
// for its side. Thread-safe: no state.
Draw draw(std::string_view salt, std::string_view key);

// Whether a weight of so many hundredths of a percent sends it to the candidate. Monotone in the weight.
// The bias of the remainder is below 1e-15.
constexpr bool falls_to_candidate(const Draw& drawn, unsigned hundredths) {
  return drawn.number % 10'000 < hundredths;
}

// And whether so many hundredths of a percent have it mirrored.
constexpr bool falls_to_mirror(const Draw& drawn, unsigned hundredths) {
  return drawn.mirror % 10'000 < hundredths;
}

}  // namespace pilotlight::front
