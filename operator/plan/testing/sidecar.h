#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "operator/api/report.h"
#include "operator/plan/decision.h"

// The split of one front, in a few lines: what it makes of the operator's calls, and what it counts of the
// requests that a test gives it (docs/sidecar.md).
//
// Thread-safety: one thread.
namespace pilotlight::plan::testing {

// What becomes of requests in one second.
struct Load {
  double requests = 0;
  double candidate_errors = 0;  // of its requests, from 0 to 1
  bool unanswered = false;      // those are no answers at all
  double stable_errors = 0;
  double candidate_slow = 0;  // over every threshold
  double stable_slow = 0;
  std::set<std::string> unreachable = {};  // peers, by pod UID, to whom each hop fails
};

// To whom a front may hand requests, as it was told.
struct Peer {
  std::string pod_uid;
  std::string ip;
  std::string revision;
  std::string certificate;
};

class Sidecar {
 public:
  Sidecar(std::string pod_uid, std::string certificate)
      : pod_uid_(std::move(pod_uid)), certificate_(std::move(certificate)) {}

  // Empty: done; else why not.
  std::string Obey(const Order& order);
  // A new front in the same pod: it has another certificate and no split, but knows the last epoch.
  void Restart(std::string certificate);
  void Serve(const Load& load, api::Time now);
  // A second in which nobody asks this pod anything: it makes golden requests of itself if it was told to,
  // of which that share fails.
  void Idle(double golden_errors, api::Time now);
  bool Probes(api::Time now) const;
  void Tell(api::Report& report, api::Time now) const;

  double WeightInForce(api::Time now) const;
  // When the weight in force falls to 0, should nothing else happen.
  std::optional<api::Time> Expires() const;
  // Whether it has been told anything, and so counts what it gets.
  bool Counts() const { return !segments_.empty(); }
  const std::vector<Peer>& peers() const { return peers_; }
  const nlohmann::json& body() const { return body_; }
  const std::string& certificate() const { return certificate_; }
  bool Hands(const std::string& pod_uid, api::Time now) const;
  bool Accepts(const std::string& caller) const;

 private:
  struct Arm {
    api::Time down_until;  // nothing is handed over before
    std::chrono::seconds backoff{1};
    double requests = 0;
    double bad = 0;
    double unanswered = 0;  // of the bad ones
    double slow = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> bad_seconds;
  };
  struct Segment {
    std::string label;
    double weight = 0;
    std::string candidate;
    std::int64_t threshold_ms = 0;
    Arm stable;
    std::map<std::string, Arm> peers;
  };
  static api::PodCounts Counts(const std::string& pod, const Arm& arm, bool threshold);

  std::string pod_uid_;
  std::string certificate_;
  std::string order_error_;
  std::int64_t last_epoch_ = 0;
  nlohmann::json body_;  // null: none yet
  double weight_ = 0;
  api::Time expires_;
  std::vector<Peer> peers_;
  std::set<std::string> callers_;
  std::vector<Segment> segments_;
  double probes_ = 0;
  double bad_probes_ = 0;
};

}  // namespace pilotlight::plan::testing
