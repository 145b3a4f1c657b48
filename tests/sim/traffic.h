#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "operator/plan/testing/sidecar.h"
#include "tests/sim/api_server.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/ledger.h"
#include "tests/sim/network.h"
#include "tests/sim/nodes.h"
#include "tests/sim/weather.h"

namespace pilotlight::sim {

// Requests: from clients to the pods that a proxy sends them to, and from there, by the fronts' splits, over
// one hop to a candidate's pods. Whoever has an address gets what is sent to it: a front that was told of a
// pod knows it by its certificate, which is another one after each start of the container.
//
// What is counted is counted when somebody asks: nothing happens while nobody does.
//
// Thread-safety: one thread.
class Traffic {
 public:
  Traffic(EventQueue& queue, const ApiServer& api, const Nodes& nodes, const Network& network,
          const Weather& weather, const Ledger& ledger);

  // Set before anything happens: a front does otherwise than before.
  std::function<void(const std::string& uid)> front_changed;

  // A container of the pod has started.
  void Started(const std::string& uid, const std::string& container);
  // The pod that has the address, if anything in it answers.
  const api::Pod* At(const std::string& ip) const;
  // Why whoever has the address does not do what he is told; empty: he does. None: nobody is there.
  std::optional<std::string> Obey(const std::string& ip, const plan::Order& order);
  void Tell(const std::string& uid, api::Report& report);
  // Whether what it has counted is another number each time that it is asked.
  bool Counts(const std::string& uid) const;
  // Up to now, with everybody as he is now.
  void Count();

  // The weight by which a living front hands requests over.
  double WeightOf(const std::string& uid) const;
  // Hands over requests, or would if it got any.
  struct Hop {
    const api::Pod* from = nullptr;
    const plan::testing::Peer* told = nullptr;
    const api::Pod* to = nullptr;  // null: nobody takes them
  };
  std::vector<Hop> Hops() const;
  const plan::testing::Sidecar* FrontOf(const std::string& uid) const;

 private:
  struct Front {
    plan::testing::Sidecar split;
    api::Time counted;
  };
  api::Time Now() const { return std::chrono::floor<std::chrono::seconds>(queue_.now()); }
  bool IsAlive(const std::string& uid) const;
  const api::Pod* Answering(const Front& from, const plan::testing::Peer& peer) const;
  void Count(const std::string& uid, Front& front);

  EventQueue& queue_;
  const ApiServer& api_;
  const Nodes& nodes_;
  const Network& network_;
  const Weather& weather_;
  const Ledger& ledger_;
  std::map<std::string, Front> fronts_;  // by pod UID
  std::set<std::string> told_;           // those that were told a weight
};

}  // namespace pilotlight::sim
