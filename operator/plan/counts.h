#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "operator/analysis/segment.h"
#include "operator/analysis/threshold.h"
#include "operator/api/report.h"
#include "operator/api/status.h"

// What the stable pods' sidecars have counted, as the analysis wants it.
//
// Thread-safety: no state.
namespace pilotlight::plan {

struct Counts {
  analysis::Segment segment;
  analysis::Events candidate;          // all requests that fell to it, and which were errors
  analysis::Histogram stable_latency;  // of the good ones
  std::int64_t hop_failures = 0;       // of the candidate's errors: nobody answered
  api::Mirrored mirrored;              // of all pods
};

// The sum over the stable pods' `reports` of what they counted under the operator's `label`. Several of them
// may have seen the same second of a candidate's pod go bad: it is one bad event. `names`: the candidate's
// pods, by UID; what is gone goes by its UID. With `sticky`, errors are counted by sessions, of which nobody
// knows the pod.
Counts CountsOf(const std::vector<const api::Report*>& reports, const std::string& label, double weight,
                const std::map<std::string, std::string>& names, bool sticky);

// The golden requests that the candidate's pods, whose `reports` these are, were told to make of themselves.
// They are counted from the pod's beginning: only those of the last segment may be weighed.
analysis::Stream ProbesOf(const std::vector<const api::Report*>& reports,
                          const std::map<std::string, std::string>& names);

// "of 200 mirrored requests 3 were answered otherwise (1 of these not at all), top-1 agreement 98.50 %, mean
// difference 1.2e-05, worst 3.1e-01"; empty without any.
std::string InWords(const api::Mirrored& mirrored);

// To keep a segment in status, and to go on from it, without probes.
api::SegmentStatus ToStatus(const analysis::Segment& segment);
analysis::Segment FromStatus(const api::SegmentStatus& segment);
// Whether users have asked nothing between the two.
bool DifferInProbesOnly(api::SegmentStatus one, api::SegmentStatus other);

}  // namespace pilotlight::plan
