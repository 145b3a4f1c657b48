#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/analysis/segment.h"
#include "operator/analysis/verdict.h"

// Decides whether a canary's step passes, fails, or cannot be told yet. docs/analysis.md has the rules for
// users, docs/designs/0017-analysis.md why they are these.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

struct Criterion {
  Metric metric{};
  // The bad rate that is allowed whatever stable's is, between 0 and 1. Disagreement and probes have no
  // stable side; without a limit theirs is the floor.
  std::optional<double> limit;
};

struct Settings {
  // The chance to abort a candidate that is no worse; split evenly over `metrics`.
  double alpha = 0.01;
  // How many times stable's bad rate the candidate's may be; and the rate up to which it may be more times
  // that.
  double rho = 1.5;
  double floor = 0.005;
  // To promote: of the upper bound.
  double confidence = 0.95;
  std::int64_t min_requests = 200;  // of the candidate, in the step
  std::chrono::seconds min_duration{120};
  std::vector<Criterion> metrics{{Metric::kErrors, {}}, {Metric::kLatency, {}}};
};

struct Observed {
  std::vector<Segment> segments;  // of this attempt, in order; the last one is the present step's
  std::string unavailable;        // why counters could not be read; empty: all were
  // Every request of the candidate in this attempt and which of them were errors; nothing is left out here.
  Events candidate;
  // Of the candidate's containers, since it gets traffic.
  std::int64_t restarts = 0;
  std::int64_t out_of_memory = 0;

  std::chrono::seconds elapsed{0};  // of the present step
  bool first_step = false;
  // Nothing tells yet from when on a request is slow, and the next step leaves stable no requests to tell it
  // by.
  bool last_without_threshold = false;
};

Verdict Judge(const Settings& settings, const Observed& observed);

}  // namespace pilotlight::analysis
