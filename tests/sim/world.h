#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/api_server.h"
#include "tests/sim/controllers.h"
#include "tests/sim/coverage.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/judge.h"
#include "tests/sim/ledger.h"
#include "tests/sim/mishap.h"
#include "tests/sim/network.h"
#include "tests/sim/nodes.h"
#include "tests/sim/operator.h"
#include "tests/sim/scenario.h"
#include "tests/sim/traffic.h"
#include "tests/sim/weather.h"

namespace pilotlight::sim {

// A model cluster with an operator in it, from a seed. Time is virtual, and nothing happens by chance but by
// that seed.
//
// Thread-safety: one thread.
class World {
 public:
  World(std::uint64_t seed, Coverage& coverage, Mischief mischief = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs `scenario` from nothing. Then the world is well again, and comes to rest; then the user has
  // a last wish (GoalOf), and all is to be as it is where nothing was ever in the way.
  void Run(const Scenario& scenario);
  // All that a user would see now, but for names and times: two worlds that ended alike print alike.
  std::string Describe() const;
  // The same, as it was when the world had come to rest and before the last wish.
  const std::string& rest() const { return rest_; }

  std::size_t writes() const { return writes_; }
  std::size_t orders() const { return orders_; }
  std::size_t arrivals() const { return operators_.front()->view().arrivals(); }
  std::size_t plans() const;

 private:
  void Take(const Step& step);
  void TakeUsers(const Step& step);
  void TakeHands(const Step& step);
  void TakeWorld(const Step& step);
  void TakeOperators(const Step& step);
  void Edit(const nlohmann::json& spec);
  void Heal();
  void Settle(const Scenario& scenario);
  void RunUntil(Moment end);
  void RunToRest();
  void RequireRest();
  std::shared_ptr<const api::Pod> PickPod(int number) const;
  Mishap Ask(Place place, std::size_t number) const;
  WriteFate NextFate();
  OrderFate NextOrderFate();
  // Paused in the middle of a canary, and nothing has changed for long but the time until which it is split:
  // only somebody's word leads on from there.
  bool IsHeld() const;
  void NoteChange(ObjectKind kind);
  void Say(const std::function<std::string()>& what) const;

  Random random_;
  EventQueue queue_;
  Weather weather_;
  Ledger ledger_;
  ApiServer api_;
  Nodes nodes_;
  Network network_;
  Traffic traffic_;
  Controllers controllers_;
  Judge judge_;
  Coverage& coverage_;
  const Mischief mischief_;
  std::vector<std::unique_ptr<Operator>> operators_;
  std::string rest_;
  std::size_t writes_ = 0;
  std::size_t orders_ = 0;
  Moment last_change_;
  api::Status last_status_;  // without what is noted again and again
  int retries_ = 0;
};

}  // namespace pilotlight::sim
