#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "operator/analysis/segment.h"

// From which latency on a request is slow.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

// Two pods of one revision differ by 10 % in latency as a matter of course: by their nodes and their
// neighbours. So a request of the candidate is slow not over stable's threshold, but over this times it;
// where there is only one candidate pod, over the second. With that, what the test shows is an effect of that
// size, not a p-value.
inline constexpr double kSlower = 1.25;
inline constexpr double kMuchSlower = 1.5;

// Stable's requests that it takes.
inline constexpr std::int64_t kLeastForThreshold = 100;

// How many requests took up to which time, as Prometheus has it: bucket i counts those over bound i − 1 and
// up to bound i, the last of `counts`, one more than bounds, those over all bounds.
struct Histogram {
  std::vector<double> bounds;  // seconds, rising
  std::vector<std::int64_t> counts;
};

// The least bound that at least 95 % of the requests do not exceed: what is slow for the candidate is counted
// against this, computed from stable's preceding segment and kept as it is for the whole one.
//
// It is a bound and not interpolated, because how many requests were over a bound is known exactly. It lies
// above the 95th percentile by less than one bucket; so 5 % or fewer of stable's requests are over it, and a
// slowdown must exceed that bucket's width, too, to show. None: fewer than kLeastForThreshold requests, or
// more than 5 % over the last bound, or the numbers of counts and bounds do not fit.
std::optional<double> SlowThreshold(const Histogram& stable);

// How many requests took longer than the least bound that is not below `seconds`; none where there is no such
// bound. Exact for that bound. A histogram does not know of seconds that are over (segment.h): a burst of
// slow requests counts in full, so counters that do are better.
Events SlowerThan(const Histogram& histogram, double seconds);

}  // namespace pilotlight::analysis
