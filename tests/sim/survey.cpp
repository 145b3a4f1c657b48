// For whoever works on the planner or on the world: which violations there are, and the shortest scenario
// that shows each, without a stop at the first. survey [scenarios] [seed].
#include <cstdlib>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <utility>

#include "tests/sim/run.h"

namespace pilotlight::sim {
namespace {

Scenario AnyScenario(Random& random) {
  int sum = 0;
  for (const DoInfo& info : AllDos()) sum += info.weight;
  Scenario scenario{.seed = static_cast<std::uint64_t>(random.Below(1'000'000)),
                    .replicas = static_cast<int>(random.Below(5))};
  if (const auto strategy = random.Below(16); strategy <= InfoOf(Do::kCanary).most)
    scenario.steps.push_back({Do::kCanary, static_cast<int>(strategy), 6});
  const auto steps = random.Below(14);
  for (std::int64_t i = 0; i < steps; ++i) {
    std::int64_t number = random.Below(sum);
    auto info = AllDos().begin();
    for (; number >= info->weight; ++info) number -= info->weight;
    scenario.steps.push_back({info->what, static_cast<int>(random.Below(info->most + 1)),
                              static_cast<int>(random.Below(kPauses - 1))});
  }
  return scenario;
}

void Survey(std::int64_t runs, std::uint64_t seed) {
  Random random(seed);
  Coverage coverage;
  std::map<std::string, std::pair<int, std::string>> found;
  const std::regex names("digits-[a-z0-9]+(-u[0-9]+)?|u[0-9]+");
  for (std::int64_t run = 0; run < runs; ++run) {
    const Scenario scenario = AnyScenario(random);
    const Outcome outcome = RunAndCompare(scenario, coverage);
    if (outcome.violation.empty()) continue;
    const std::string first = outcome.violation.substr(0, outcome.violation.find('\n'));
    auto& [count, shortest] = found[std::regex_replace(first, names, "X")];
    ++count;
    const std::string text = Print(scenario);
    if (shortest.empty() || text.size() < shortest.size()) shortest = text;
  }
  for (const auto& [kind, what] : found)
    std::cout << what.first << " x " << kind << "\n    " << what.second << '\n';
  std::cout << runs << " scenarios, " << coverage.states() << " states, " << coverage.transitions()
            << " transitions\n";
}

}  // namespace
}  // namespace pilotlight::sim

int main(int argc, char** argv) {
  pilotlight::sim::Survey(argc > 1 ? std::atoll(argv[1]) : 1000,
                          argc > 2 ? static_cast<std::uint64_t>(std::atoll(argv[2])) : 1);
}
