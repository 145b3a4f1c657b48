#pragma once

#include <cstdint>
#include <unordered_map>

namespace pilotlight::front {

// How many different sessions there were, and in how many of them something went bad: exactly, as long as
// there are few; then of a fair sample of them, one in 2^k, in bounded memory. That is adaptive sampling
// (Wegman; P. Flajolet, On Adaptive Sampling, Computing 43, 1990): what is kept are the numbers divisible by
// 2^k, and k grows when there are too many. Not thread-safe.
class Sessions {
 public:
  static constexpr std::size_t kMost = 2048;

  // `session` is uniform over 64 bits, the same for the same session.
  void saw(std::uint64_t session, bool bad);

  std::uint64_t counted() const { return counted_; }  // in the sample
  std::uint64_t bad() const { return bad_; }          // of these
  std::uint64_t one_in() const { return std::uint64_t{1} << level_; }

  // Keeps the numbers and forgets the sessions. Those that come later are not counted.
  void close();

 private:
  bool sampled(std::uint64_t session) const { return (session & (one_in() - 1)) == 0; }
  void thin_out();

  std::unordered_map<std::uint64_t, bool> seen_;  // and whether it went bad
  std::uint64_t counted_ = 0;
  std::uint64_t bad_ = 0;
  unsigned level_ = 0;
  bool closed_ = false;
};

}  // namespace pilotlight::front
