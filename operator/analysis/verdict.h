#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/analysis/segment.h"
#include "operator/analysis/share.h"

// What was decided, and on which numbers: enough to do the sums again by hand (docs/analysis.md).
//
// Thread-safety: plain values.
namespace pilotlight::analysis {

enum class Outcome {
  kPass,          // the step has done its work: go on to the next
  kFail,          // abort
  kInconclusive,  // neither: wait, until the step's deadline
};

// One segment's part in the test. k is candidate.bad; m is that and stable.bad, or for a metric with a limit
// candidate.requests.
struct SegmentEvidence {
  Events candidate;
  Events stable;
  double p0 = 0;
  double log_e = 0;  // natural logarithm, as all of them
};

struct MetricEvidence {
  Metric metric{};
  double margin = 1;                      // times the latency threshold, for the candidate
  bool has_limit = false;                 // of its own: stable was not asked
  std::vector<SegmentEvidence> segments;  // those in which it could be read

  // The test that aborts.
  double log_e = 0;  // the sum
  double log_threshold = 0;
  std::int64_t pods = 0;  // of the candidate, that were counted
  // If log_e reaches its threshold and there are several pods: without the one that has the most to do with
  // it.
  std::string worst_pod;
  std::optional<double> log_e_without_worst;

  // The test that promotes: the candidate's bad rate in the last segment is at most this, of which that is
  // allowed.
  double upper_bound = 1;
  double allowed = 0;
};

struct Verdict {
  Outcome outcome = Outcome::kInconclusive;
  std::string reason;   // for programs, e.g. ErrorsAreHigher
  std::string message;  // for people
  Share share;          // of the last segment
  std::vector<MetricEvidence> metrics;
};

}  // namespace pilotlight::analysis
