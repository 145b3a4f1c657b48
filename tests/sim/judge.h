#pragma once

#include <functional>
#include <set>
#include <stdexcept>
#include <string>

#include "tests/sim/api_server.h"
#include "tests/sim/ledger.h"
#include "tests/sim/network.h"
#include "tests/sim/nodes.h"
#include "tests/sim/operator.h"
#include "tests/sim/traffic.h"

namespace pilotlight::sim {

// What must never be, and was.
class Violation : public std::runtime_error {
  using runtime_error::runtime_error;
};

// The invariants, on the world as it is and not as any operator sees it. Throws a Violation.
//
// The operator cannot know what has not reached it yet: a pod that something else has hurt, and that its view
// still shows as serving, counts as serving for what it does meanwhile.
//
// Thread-safety: one thread.
class Judge {
 public:
  Judge(const ApiServer& api, const Nodes& nodes, const Network& network, const Traffic& traffic,
        Ledger& ledger);

  // After everything that happened.
  void CheckWorld() const;
  // Around one write of an operator.
  WriteResult CheckWrite(const Write& write, const std::function<WriteResult()>& apply);
  // Before they are sent.
  void CheckOrders(const plan::Observed& seen, const std::vector<plan::Order>& orders) const;
  // When nothing happens any more; `held`: in the middle of a canary.
  void CheckRest(bool held) const;

 private:
  bool Serves(const api::Pod& pod) const;
  // UIDs of the pods that serve, and go on doing so when every ReplicaSet has as many pods as it asks for.
  std::set<std::string> Serving() const;
  // Pods that `seen` shows as serving and that something else has hurt since, of one revision or (empty) of
  // all.
  std::int64_t Excused(const plan::Observed& seen, const std::set<std::string>& serving,
                       const std::string& revision) const;
  std::int64_t Asked() const;
  std::int64_t JustReady(const Write& write) const;
  std::int64_t Unseen(const Write& write) const;
  void CheckAvailable(const Write& write, const std::set<std::string>& before) const;
  void CheckBounds(const Write& write, std::int64_t before) const;
  void CheckTarget(const plan::Action& action) const;
  void CheckHops(std::set<std::string> revisions) const;
  void CheckOrder(const plan::Observed& seen, const plan::Order& order) const;
  void CheckSplit(const Write& write) const;
  std::int64_t Relieved(const plan::Observed& seen) const;
  std::int64_t CountHandedTo(const plan::Observed& seen, const std::string& candidate) const;
  void CheckWeight(const Write& write, double weight, bool is_news) const;
  bool IsTampered(const api::Pod& pod) const;
  bool HasLostItsSource(const std::string& revision) const;
  void CheckStatus(const Write& write, const api::Status& before);
  void CheckStable(const Write& write, const api::Status& before) const;
  void CheckPhase(const Write& write) const;
  void Note(const plan::Action& action);
  bool IsCondemned(const std::string& revision) const;

  const ApiServer& api_;
  const Nodes& nodes_;
  const Network& network_;
  const Traffic& traffic_;
  Ledger& ledger_;
};

}  // namespace pilotlight::sim
