#pragma once

namespace pilotlight::front {

// How far a number may be from the expected one, as with golden cases: |a − e| ≤ absolute·max|e| +
// relative·|e|, with the greatest of the whole tensor. The defaults are those of float32.
struct Tolerance {
  double absolute = 1e-4;
  double relative = 1e-4;

  bool operator==(const Tolerance&) const = default;
};

}  // namespace pilotlight::front
