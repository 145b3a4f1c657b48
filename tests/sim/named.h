#pragma once

#include <string_view>
#include <vector>

// Scenarios with a name, for the sweep: what users do, and what the world does to rollouts, one at a time.
// They are written as replays are, and leave enough time to come to rest.
//
// Thread-safety: no state.
namespace pilotlight::sim {

struct Named {
  std::string_view name;
  std::string_view scenario;
  // Whether the rollout had to be taken back before fate struck depends on the moment: only the very end is
  // the same.
  bool end_only = false;
};
const std::vector<Named>& AllNamed();

}  // namespace pilotlight::sim
