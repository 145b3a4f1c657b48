#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/report.h"
#include "tests/sim/api_server.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/ledger.h"
#include "tests/sim/weather.h"

namespace pilotlight::sim {

// The sidecar in a pod, as it really is.
struct Sidecar {
  enum class State : std::uint8_t { kNone, kStarting, kRetrying, kChecking, kReady, kFailed };
  State state = State::kNone;
  std::string container;
  std::string pin;     // as it was when the container started; empty: none
  std::string digest;  // of what it fetched
  bool accepting = false;
  bool terminating = false;
  std::optional<api::Failure> failure;
  std::optional<api::Failure> recheck;
  std::int64_t attempt = 1;
  int life = 0;  // grows whenever what was about to happen to it no longer does
};

struct Node {
  std::string name;
  std::int64_t room = 6;
  bool up = true;
  bool cordoned = false;
  bool broken = false;  // proofs fail on it
};

// The scheduler, the kubelets, and the sidecars in their pods; also what ends pods: lost nodes, drains that
// honour the budget, evictions.
//
// Thread-safety: one thread.
class Nodes {
 public:
  Nodes(EventQueue& queue, Random& random, ApiServer& api, const Weather& weather, Ledger& ledger);

  // Set before anything happens.
  std::function<void(const std::string& uid)> sidecar_changed;
  std::function<bool(const std::string& uid)> is_routed;
  std::function<void(const std::string& uid, const std::string& container)> started;

  void PodsChanged();
  const Sidecar* SidecarOf(const std::string& uid) const;
  // What the sidecar says when it is asked. None: nobody answers.
  std::optional<api::Report> Answer(const std::string& uid) const;

  std::vector<Node>& all() { return nodes_; }
  void Lose(std::size_t node);
  void Forget(std::size_t node);  // its Node object is deleted, and its pods with it
  void Return(std::size_t node);
  void Drain(std::size_t node);
  void Uncordon(std::size_t node);
  void NodesChanged() { ScheduleSoon(); }
  void Crash(const std::string& uid, const std::string& reason);
  // Its front lives on, and answers for it when asked how it is.
  void CrashEngine(const std::string& uid);
  void End(const std::string& uid);  // by its node: evicted for want of memory, say
  void FailRecheck(const std::string& uid);
  // Every node is there, and sound; what failed for a node's fault fails no longer.
  void Heal();

 private:
  // Does `what` to the pod, if it is there and its sidecar still lives the same life.
  void Later(Millis delay, const std::string& uid, std::function<void(const api::Pod&, Sidecar&)> what);
  template <typename F>
  void Edit(const api::Pod& pod, F change);
  Node* NodeOf(const api::Pod& pod);
  void ScheduleSoon();
  void Schedule();
  void Start(const api::Pod& pod, Sidecar& sidecar);
  std::string FreeAddress() const;
  void Fetch(const api::Pod& pod, Sidecar& sidecar);
  void Check(const api::Pod& pod, Sidecar& sidecar);
  void ProbeReadiness(const std::string& uid);
  void Terminate(const api::Pod& pod);
  void Drained(const std::string& uid, Moment since);
  void EvictAll(std::size_t node, int tries);
  bool MayEvict(const api::Pod& pod) const;

  EventQueue& queue_;
  Random& random_;
  ApiServer& api_;
  const Weather& weather_;
  Ledger& ledger_;
  std::vector<Node> nodes_;
  std::map<std::string, Sidecar> sidecars_;  // by pod UID
  bool scheduling_ = false;
  int containers_ = 0;
};

}  // namespace pilotlight::sim
