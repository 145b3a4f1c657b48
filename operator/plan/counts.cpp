#include "operator/plan/counts.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <limits>
#include <utility>

namespace pilotlight::plan {
namespace {

using analysis::Events;
using analysis::Metric;
using analysis::PodEvents;
using analysis::Stream;

// A status has room for so many rows a segment; pods beyond it are counted together.
constexpr std::size_t kMostPods = 16;
constexpr char kOthers[] = "others";

// A pod's counter, as several others have seen it.
class Seen {
 public:
  void Add(const api::CountedEvents& counted) {
    events_ += {counted.requests, counted.bad};
    for (const auto& [first, length] : counted.at) {
      if (length > 0) runs_.emplace_back(first, first + length);
    }
  }
  // Without what was counted twice.
  Events Take() {
    std::ranges::sort(runs_);
    std::int64_t twice = 0;
    std::int64_t seen_until = std::numeric_limits<std::int64_t>::min();
    for (const auto& [begin, end] : runs_) {
      if (begin < seen_until) twice += std::min(end, seen_until) - begin;
      seen_until = std::max(seen_until, end);
    }
    twice = std::min(twice, events_.bad);
    return events_ - Events{twice, twice};
  }

 private:
  Events events_;
  std::vector<std::pair<std::int64_t, std::int64_t>> runs_;  // seconds, the second one not included
};

struct SeenPod {
  Seen disagreement;
  bool mirrored = false;
  Seen errors;
  Seen slower;
  Seen much_slower;
  bool has_threshold = false;
};

void AddLatency(const std::vector<double>& bounds, const std::vector<std::int64_t>& counts,
                analysis::Histogram& sum) {
  if (counts.size() != bounds.size() + 1) return;
  if (sum.bounds.empty()) sum = {bounds, std::vector<std::int64_t>(counts.size())};
  if (sum.bounds != bounds) return;  // of another release
  for (std::size_t i = 0; i < counts.size(); ++i) sum.counts[i] += counts[i];
}

void AddMirrored(const api::Mirrored& pod, api::Mirrored& sum) {
  if (const std::int64_t all = sum.elements + pod.elements; all > 0) {
    sum.mean_difference = (sum.mean_difference * static_cast<double>(sum.elements) +
                           pod.mean_difference * static_cast<double>(pod.elements)) /
                          static_cast<double>(all);
    sum.elements = all;
  }
  sum.compared += pod.compared;
  sum.disagreed += pod.disagreed;
  sum.failed += pod.failed;
  sum.rows += pod.rows;
  sum.rows_agreed += pod.rows_agreed;
  sum.worst_difference = std::max(sum.worst_difference, pod.worst_difference);
}

}  // namespace

std::string InWords(const api::Mirrored& mirrored) {
  if (mirrored.compared == 0) return {};
  std::string out = std::format("of {} mirrored requests {} were answered otherwise", mirrored.compared,
                                mirrored.disagreed);
  if (mirrored.failed > 0) out += std::format(" ({} of these not at all)", mirrored.failed);
  if (mirrored.rows > 0)
    out += std::format(", top-1 agreement {:.2f} %", 100.0 * static_cast<double>(mirrored.rows_agreed) /
                                                         static_cast<double>(mirrored.rows));
  return out + std::format(", mean difference {:.1e}, worst {:.1e}", mirrored.mean_difference,
                           mirrored.worst_difference);
}

Counts CountsOf(const std::vector<const api::Report*>& reports, const std::string& label, double weight,
                const std::map<std::string, std::string>& names, bool sticky) {
  Counts out;
  out.segment.weight = weight;
  std::map<std::string, SeenPod> pods;
  Stream errors;
  Stream latency;
  bool counted = false;
  bool has_threshold = false;
  Events sessions;
  for (const api::Report* report : reports) {
    for (const api::SplitSegment& segment : report->split.segments) {
      if (segment.label != label) continue;
      counted = true;
      const api::SideCounts& stable = segment.stable_side;
      const api::SideCounts& candidate = segment.candidate_side;
      out.candidate += {candidate.requests, candidate.bad};
      out.hop_failures += candidate.hop_failures;
      AddLatency(report->split.latency_bounds, stable.latency, out.stable_latency);
      if (sticky) {
        out.segment.assigned.stable += stable.sessions * std::max<std::int64_t>(stable.sessions_one_in, 1);
        out.segment.assigned.candidate +=
            candidate.sessions * std::max<std::int64_t>(candidate.sessions_one_in, 1);
        errors.stable += {stable.sessions, stable.bad_sessions};
        sessions += {candidate.sessions, candidate.bad_sessions};
      } else {
        out.segment.assigned.stable += stable.requests;
        out.segment.assigned.candidate += candidate.requests;
      }
      for (const api::Mirrored& pod : segment.mirrored) AddMirrored(pod, out.mirrored);
      for (const api::PodCounts& pod : stable.pods) {
        if (!sticky) errors.stable += {pod.errors.requests, pod.errors.bad};
        if (pod.slow.size() != 3) continue;
        has_threshold = true;
        latency.stable += {pod.slow[0].requests, pod.slow[0].bad};
      }
      for (const api::PodCounts& pod : candidate.pods) {
        SeenPod& seen = pods[pod.pod_uid];
        seen.errors.Add(pod.errors);
        seen.disagreement.Add(pod.disagreement);
        seen.mirrored = seen.mirrored || pod.disagreement.requests > 0;
        if (pod.slow.size() != 3) continue;
        has_threshold = seen.has_threshold = true;
        seen.slower.Add(pod.slow[1]);
        seen.much_slower.Add(pod.slow[2]);
      }
    }
  }
  if (!counted) return out;
  Stream disagreement;
  for (auto& [uid, seen] : pods) {
    const auto name = names.find(uid);
    const std::string& pod = name == names.end() ? uid : name->second;
    if (seen.mirrored) disagreement.candidate.push_back({pod, seen.disagreement.Take(), {}});
    if (!sticky) errors.candidate.push_back({pod, seen.errors.Take(), {}});
    if (seen.has_threshold) latency.candidate.push_back({pod, seen.slower.Take(), seen.much_slower.Take()});
  }
  if (sticky) errors.candidate.push_back({"sessions", sessions, {}});
  out.segment.streams[Metric::kErrors] = std::move(errors);
  if (has_threshold) out.segment.streams[Metric::kLatency] = std::move(latency);
  if (!disagreement.candidate.empty()) out.segment.streams[Metric::kDisagreement] = std::move(disagreement);
  return out;
}

Stream ProbesOf(const std::vector<const api::Report*>& reports,
                const std::map<std::string, std::string>& names) {
  Stream out;
  for (const api::Report* report : reports) {
    if (report->probes == 0) continue;
    const auto name = names.find(report->pod_uid);
    const std::string& pod = name == names.end() ? report->pod_uid : name->second;
    out.candidate.push_back({pod, {report->probes, std::min(report->bad_probes, report->probes)}, {}});
  }
  return out;
}

api::SegmentStatus ToStatus(const analysis::Segment& segment) {
  api::SegmentStatus out{.weight = std::llround(segment.weight * 100),
                         .candidate = segment.assigned.candidate,
                         .stable = segment.assigned.stable};
  for (const auto& entry : segment.streams) {
    const std::string metric = analysis::Name(entry.first);
    const analysis::Stream& stream = entry.second;
    PodEvents others{.pod = kOthers, .events = {}, .much_slower = {}};
    const auto add = [&](const PodEvents& pod) {
      out.metrics.push_back({.metric = metric,
                             .pod = pod.pod,
                             .requests = pod.events.requests,
                             .bad = pod.events.bad,
                             .much_slower_requests = pod.much_slower.requests,
                             .much_slower = pod.much_slower.bad});
    };
    for (std::size_t i = 0; i < stream.candidate.size(); ++i) {
      if (i + 1 < kMostPods) {
        add(stream.candidate[i]);
      } else {
        others.events += stream.candidate[i].events;
        others.much_slower += stream.candidate[i].much_slower;
      }
    }
    if (others.events.requests > 0) add(others);
    out.metrics.push_back({.metric = metric, .requests = stream.stable.requests, .bad = stream.stable.bad});
  }
  return out;
}

analysis::Segment FromStatus(const api::SegmentStatus& segment) {
  analysis::Segment out{.weight = static_cast<double>(segment.weight) / 100,
                        .assigned = {.candidate = segment.candidate, .stable = segment.stable},
                        .streams = {}};
  for (const api::MetricCounts& row : segment.metrics) {
    for (const Metric metric : analysis::kMetrics) {
      // Pods count golden requests as long as they live: those of the past are among those of now.
      if (metric == Metric::kProbes || row.metric != analysis::Name(metric)) continue;
      Stream& stream = out.streams[metric];
      const Events events{row.requests, row.bad};
      if (row.pod.empty()) {
        stream.stable = events;
      } else {
        stream.candidate.push_back({row.pod, events, {row.much_slower_requests, row.much_slower}});
      }
    }
  }
  return out;
}

bool DifferInProbesOnly(api::SegmentStatus one, api::SegmentStatus other) {
  for (api::SegmentStatus* segment : {&one, &other})
    std::erase_if(segment->metrics,
                  [](const api::MetricCounts& row) { return row.metric == analysis::Name(Metric::kProbes); });
  return one == other;
}

}  // namespace pilotlight::plan
