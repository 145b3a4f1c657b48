#include "tests/sim/scraper.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace pilotlight::sim {

using namespace std::chrono_literals;

Scraper::Scraper(EventQueue& queue, Random& random, const Nodes& nodes, std::function<void()> changed)
    : queue_(queue), random_(random), nodes_(nodes), changed_(std::move(changed)) {}

void Scraper::Want(const plan::Observed& seen, const plan::Decision& decision) {
  std::map<std::string, Asked> before = std::exchange(asked_, {});
  for (const api::Pod& pod : seen.pods) {
    const bool probed = std::ranges::contains(decision.probe, pod.meta.uid);
    if (!probed && !std::ranges::contains(decision.watch, pod.meta.uid)) continue;
    const auto found = before.find(pod.meta.uid);
    Asked asked = found == before.end() ? Asked{.container = pod.container_id, .seldom = !probed}
                                        : std::move(found->second);
    const bool is_new =
        found == before.end() || asked.container != pod.container_id || (probed && asked.seldom);
    const bool moved = probed && asked.pod_version != pod.meta.resource_version;
    if (is_new) asked.report.reset();
    if (!probed && asked.report) asked.report->proof = nullptr;
    asked.container = pod.container_id;
    asked.pod_version = pod.meta.resource_version;
    asked.seldom = !probed;
    asked_.insert_or_assign(pod.meta.uid, std::move(asked));
    if (is_new || moved) {
      if (probed) Ask(pod.meta.uid, 2ms, 30ms);
    }
  }
}

void Scraper::SidecarChanged(const std::string& uid) {
  const auto found = asked_.find(uid);
  if (found == asked_.end()) return;
  if (found->second.seldom) {
    Ask(uid, 1s, 20s);
  } else {
    Ask(uid, 5ms, 500ms);
  }
}

void Scraper::Ask(const std::string& uid, Millis least, Millis most) {
  if (std::exchange(asked_[uid].under_way, true)) return;
  queue_.After(random_.Between(least, most), [this, uid] {
    const auto found = asked_.find(uid);
    if (found == asked_.end()) return;
    Asked& asked = found->second;
    asked.under_way = false;
    api::Report report;
    if (auto answer = nodes_.Answer(uid)) {
      report = std::move(*answer);
    } else {
      report.error = "connection refused";
    }
    // It is called the answer of the container that was asked for, whoever gave it.
    report.container_id = asked.container;
    if (asked.seldom) report.proof = nullptr;
    if (!report.error.empty()) {
      const bool already = asked.report && asked.report->unreachable_since;
      report.unreachable_since =
          already ? asked.report->unreachable_since : std::chrono::floor<std::chrono::seconds>(queue_.now());
    }
    if (asked.report == report) return;
    asked.report = std::move(report);
    changed_();
  });
}

void Scraper::AddReports(plan::Observed& seen) const {
  for (const api::Pod& pod : seen.pods) {
    const auto found = asked_.find(pod.meta.uid);
    if (found != asked_.end() && found->second.report)
      seen.reports.emplace(pod.meta.uid, *found->second.report);
  }
}

}  // namespace pilotlight::sim
