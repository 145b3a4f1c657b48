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

namespace pilotlight {
class Clock;
}

// Asks the sidecars that somebody wants to hear of, again and again, and nobody else's: at rest it does
// nothing, but for those that are to be asked every few minutes.
//
// All calls are made side by side by one thread; a sidecar that does not answer delays no other.
// Thread-safety: all members may be called from any thread.
namespace pilotlight::control {

struct ScrapeTarget {
  std::string pod_uid;
  std::string ip;
  std::string container_id;
  // The pod as last seen. When it changes, its sidecar is asked at once.
  std::string resource_version;
  // Not zero: this often, and not before, and without the proof in the report, for nobody waits for it.
  std::chrono::milliseconds every{0};
};

struct ScraperOptions {
  std::uint16_t port = 8081;
  std::chrono::milliseconds timeout{2000};
  // Between two questions: this often at first, and `slow_interval` from `slow_after` on.
  std::chrono::milliseconds interval{500};
  std::chrono::milliseconds slow_interval{5000};
  std::chrono::milliseconds slow_after{30000};
  // A longer answer counts as none.
  std::size_t body_limit = 256 * 1024;
  // Called from the scraper's thread when a report has changed.
  std::function<void(const kube::Key&)> changed;
};

class Scraper {
 public:
  Scraper(ScraperOptions options, Clock& clock);
  ~Scraper();  // stops and joins

  // From now on exactly these pods are asked on behalf of `key`; reports of others are forgotten.
  void Want(const kube::Key& key, std::vector<ScrapeTarget> targets);
  // What the pod said last, or why it said nothing. None: it has not been asked yet, or is not wanted.
  std::optional<api::Report> ReportOf(const std::string& pod_uid) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::control
