#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

// What was counted while one weight was in force.
//
// Thread-safety: plain values.
namespace pilotlight::analysis {

// One event for each request, good or bad; see docs/analysis.md.
enum class Metric {
  kErrors,
  kLatency,
  kDisagreement,  // another answer than stable's, of those that were compared
  kProbes,        // golden requests that the operator had sent
};
inline constexpr std::array kMetrics{Metric::kErrors, Metric::kLatency, Metric::kDisagreement,
                                     Metric::kProbes};

// "errors"
const char* Name(Metric metric);

// Of one pod or one side; 0 ≤ bad ≤ requests.
//
// A second in which a pod had a bad event is over for that pod and metric: what comes after it is neither
// counted as a request nor as bad. So one cause that fails many requests in a burst is one event, and what is
// counted is still bad at the same rate on a busy pod as on one with little to do.
//
// In sticky mode these are sessions, as all requests of one go the same way: each counts once in a segment,
// is bad once any of its requests was, and after that counts no more in this rollout.
struct Events {
  std::int64_t requests = 0;
  std::int64_t bad = 0;

  Events& operator+=(const Events& other) {
    requests += other.requests;
    bad += other.bad;
    return *this;
  }
  friend Events operator+(Events a, const Events& b) { return a += b; }
  friend Events operator-(const Events& a, const Events& b) {
    return {a.requests - b.requests, a.bad - b.bad};
  }
  friend bool operator==(const Events&, const Events&) = default;

  double Rate() const { return requests == 0 ? 0 : static_cast<double>(bad) / static_cast<double>(requests); }
};

struct PodEvents {
  std::string pod;  // its name
  Events events;
  // Latency only: `events` are bad over kSlower × the threshold, these over kMuchSlower × (threshold.h).
  Events much_slower;
};

// One metric, both arms.
struct Stream {
  std::vector<PodEvents> candidate;  // a pod at most once
  Events stable;                     // none for metrics with a limit of their own
};

// How many requests (in sticky mode: sessions) the split gave to each arm, all of them. What was handed over
// and failed is the candidate's.
struct Assigned {
  std::int64_t candidate = 0;
  std::int64_t stable = 0;
};

// A time with one weight. An epoch of the split that changes only peers goes on with the segment.
struct Segment {
  double weight = 0;  // the candidate's share as wanted, from 0 to 1
  Assigned assigned;
  std::map<Metric, Stream> streams;  // one that is missing could not be read
};

}  // namespace pilotlight::analysis
