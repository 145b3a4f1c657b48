#pragma once

#include <string>

#include "tests/sim/judge.h"

// For those who judge.
//
// Thread-safety: no state.
namespace pilotlight::sim {

void Require(bool holds, const auto& say) {
  if (!holds) throw Violation(say());
}

inline bool IsDigest(const std::string& text) {
  return text.starts_with("sha256:") && text.size() == 71;
}

}  // namespace pilotlight::sim
