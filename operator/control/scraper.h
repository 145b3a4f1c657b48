#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/report.h"
#include "operator/kube/key.h"
#include "operator/plan/decision.h"

namespace pilotlight {
class Clock;
}
namespace pilotlight::kube {
class Mandate;
class Metrics;
}  // namespace pilotlight::kube

// Asks the sidecars that somebody wants to hear of, again and again, and nobody else's: at rest it does
// nothing, but for those that are to be asked every few minutes. And tells them what to do: what came of it
// is in their reports.
//
// All calls are made side by side by one thread; a sidecar that does not answer delays no other.
// Thread-safety: all members may be called from any thread.
namespace pilotlight::control {

class OperatorKey;

struct ScrapeTarget {
  std::string pod_uid;
  std::string ip;
  std::string container_id;
  // The pod as last seen. When it changes, its sidecar is asked at once.
  std::string resource_version;
  // Not zero: this often, and not before, and without the proof and what a split has counted in the report,
  // for nobody waits for them.
  std::chrono::milliseconds every{0};
};

struct ScraperOptions {
  std::uint16_t port = 8081;
  std::chrono::milliseconds timeout{2000};
  // Between two questions: this often at first, and `slow_interval` from `slow_after` on.
  std::chrono::milliseconds interval{500};
  std::chrono::milliseconds slow_interval{5000};
  std::chrono::milliseconds slow_after{30000};
  // A longer answer counts as none. The longest honest one is that of a stable pod with 128 peers, each of
  // which was bad in 32 runs of seconds by each of four counters, in each of four segments: 1.8 MB.
  std::size_t body_limit = 2 * 1024 * 1024;
  // Signs orders. Null: none is sent, and the reports say so.
  std::shared_ptr<const OperatorKey> key = nullptr;
  // No order is sent when it does not hold. Null: nobody else can lead.
  const kube::Mandate* mandate = nullptr;
  // Counts orders. Null: nobody does.
  kube::Metrics* metrics = nullptr;
  // Called from the scraper's thread when a report has changed, or when it has read one anew after an order.
  std::function<void(const kube::Key&)> changed;
};

class Scraper {
 public:
  Scraper(ScraperOptions options, Clock& clock);
  ~Scraper();  // stops and joins

  // From now on exactly these pods are asked on behalf of `key`; reports of others are forgotten.
  void Want(const kube::Key& key, std::vector<ScrapeTarget> targets);
  // Sends orders to pods that are wanted on behalf of `key`, signed at that moment, and returns at once. Then
  // the pod is asked for its status, and `changed` is called, so that the next order can be decided on.
  //
  // One that was obeyed, of the same call and epoch, is not sent again; while one is under way no other is
  // sent to the same pod; and after one that failed none is sent before the pod was asked again, at the usual
  // interval. All others are for the caller to decide on again. Why the last one failed is in `order_error`
  // of the pod's reports until one is obeyed.
  void Tell(const kube::Key& key, std::vector<plan::Order> orders);
  // What the pod said last, or why it said nothing. None: it has not been asked yet, or is not wanted.
  std::optional<api::Report> ReportOf(const std::string& pod_uid) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::control
