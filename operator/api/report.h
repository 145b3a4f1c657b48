#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/api/status.h"

// What a sidecar says of itself at its admin port (docs/sidecar.md, the status document), or why it could not
// be asked.
//
// Thread-safety: plain values.
namespace pilotlight::api {

// One metric of one pod, as one stable sidecar has counted it. A second is over with its first bad event
// (operator/analysis/segment.h).
struct CountedEvents {
  std::int64_t requests = 0;
  std::int64_t bad = 0;
  // The seconds that were bad: the first one in unix time, and how many in a row. Others may have seen the
  // same.
  std::vector<std::pair<std::int64_t, std::int64_t>> at;
  friend bool operator==(const CountedEvents&, const CountedEvents&) = default;
};

struct PodCounts {
  std::string pod_uid;
  CountedEvents errors;
  // Slower than 1, 1.25 and 1.5 times the threshold of the split; none if it has no threshold.
  std::vector<CountedEvents> slow;
  CountedEvents disagreement;  // of mirrored requests: another answer than the stable pod's, or none
  friend bool operator==(const PodCounts&, const PodCounts&) = default;
};

// Mirrored requests of one of the candidate's pods: how its answers compare with the stable pod's.
struct Mirrored {
  std::string pod_uid;
  std::int64_t compared = 0;   // all that came to an end
  std::int64_t disagreed = 0;  // of these
  std::int64_t failed = 0;     // of these again: no answer, or none that can be compared
  // Of outputs with classes: rows, and those in which the greatest is the same one.
  std::int64_t rows = 0;
  std::int64_t rows_agreed = 0;
  std::int64_t elements = 0;  // whose differences these are, absolute ones:
  double mean_difference = 0;
  double worst_difference = 0;
  friend bool operator==(const Mirrored&, const Mirrored&) = default;
};

// The requests that fell to one side, whoever has answered them.
struct SideCounts {
  std::int64_t requests = 0;      // all of them
  std::int64_t bad = 0;           // of these, errors and failed hops
  std::int64_t hop_failures = 0;  // of these again: no answer came
  std::vector<PodCounts> pods;
  std::vector<std::int64_t>
      latency;  // of the good ones, by Split::latency_bounds; one more than there are bounds
  // In sticky mode, of a fair sample of one in `sessions_one_in` (else 0).
  std::int64_t sessions = 0;
  std::int64_t bad_sessions = 0;
  std::int64_t sessions_one_in = 0;
  friend bool operator==(const SideCounts&, const SideCounts&) = default;
};

struct SplitSegment {
  std::string label;  // the operator's own
  double weight = 0;  // percent
  std::string candidate;
  SideCounts stable_side;
  SideCounts candidate_side;
  std::vector<Mirrored> mirrored;
  friend bool operator==(const SplitSegment&, const SplitSegment&) = default;
};

// The split that is in force in a pod; docs/sidecar.md, `split`.
struct Split {
  std::string
      id;  // the operator's own word for what it asked for; empty: none was asked for since the front started
  double weight = 0;
  double weight_in_force = 0;
  std::string candidate;
  std::optional<Time> expires;
  std::vector<double> latency_bounds;  // seconds
  std::vector<SplitSegment> segments;
  friend bool operator==(const Split&, const Split&) = default;
};

struct Report {
  // Not empty: the sidecar could not be asked, and of the fields from `phase` on only `hop_certificate` means
  // anything. Holds no address.
  std::string error;
  // Since when it could not be asked.
  std::optional<Time> unreachable_since;
  // The container that answered: a report of one that has ended proves nothing about its successor.
  std::string container_id;

  std::string pod_uid;
  std::string revision;
  std::string phase;
  bool ready = false;
  bool final = false;
  std::string digest;
  std::int64_t attempt = 1;  // at fetching
  std::int64_t bytes_fetched = 0;
  std::int64_t bytes_total = 0;
  std::optional<Failure> failure;
  nlohmann::json proof;  // null: none
  // Why the last golden re-check failed, if it did: the pod serves all the same.
  std::optional<Failure> recheck_failure;

  // Golden requests that it was told to make of itself, since it started, and which of them failed.
  std::int64_t probes = 0;
  std::int64_t bad_probes = 0;

  // As whom it takes part in hops, or did when its container was last asked: "sha256:<hex>"; empty: its
  // sidecar knows none.
  std::string hop_certificate;
  // Of the last signed call that it obeyed: the next one must have a greater one.
  std::int64_t last_epoch = 0;
  Split split;
  // Why the last signed call was not obeyed, if it was not. Holds no address.
  std::string order_error;

  friend bool operator==(const Report&, const Report&) = default;
};

// Completes the report of a pod that could not be asked, at the time `now`, by what was last known of it.
// Others may have its address by now: only what the pod itself said is kept.
inline void StillHolds(const std::string& pod_uid, const std::optional<Report>& before,
                       std::chrono::system_clock::time_point now, Report& report) {
  const bool already = before && before->unreachable_since;
  report.unreachable_since =
      already ? before->unreachable_since : std::chrono::floor<std::chrono::seconds>(now);
  const bool same = before && before->container_id == report.container_id;
  if (same && (already || before->pod_uid == pod_uid)) report.hop_certificate = before->hop_certificate;
}

}  // namespace pilotlight::api
