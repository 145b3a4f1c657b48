#include "tests/sim/run.h"

#include <map>
#include <utility>

namespace pilotlight::sim {

Outcome RunIn(World& world, const Scenario& scenario) {
  Outcome outcome;
  try {
    world.Run(scenario);
  } catch (const Violation& violation) {
    outcome.violation = violation.what();
  }
  outcome.rest = world.rest();
  outcome.end = world.Describe();
  outcome.writes = world.writes();
  outcome.orders = world.orders();
  outcome.arrivals = world.arrivals();
  outcome.plans = world.plans();
  return outcome;
}

Outcome Run(const Scenario& scenario, Coverage& coverage, Mischief mischief) {
  World world(scenario.seed, coverage, std::move(mischief));
  return RunIn(world, scenario);
}

Outcome RunAndCompare(const Scenario& scenario, Coverage& coverage) {
  static std::map<std::pair<int, int>, std::string> ends;
  Outcome outcome = Run(scenario, coverage);
  if (!outcome.violation.empty()) return outcome;
  const Goal goal = GoalOf(scenario);
  auto [end, is_new] = ends.try_emplace({goal.version, goal.replicas});
  if (is_new) {
    Coverage unused;
    end->second = Run({.replicas = goal.replicas, .steps = {{Do::kEdit, goal.version, 0}}}, unused).end;
  }
  if (outcome.end != end->second)
    outcome.violation =
        "it ends otherwise than undisturbed.\nIt is\n" + outcome.end + "and not\n" + end->second;
  return outcome;
}

}  // namespace pilotlight::sim
