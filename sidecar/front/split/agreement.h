#pragma once

#include <cstdint>
#include <span>

#include "sidecar/front/inferences.h"
#include "sidecar/front/split/tolerance.h"

namespace pilotlight::front {

// What comparing two answers to one request has found.
struct Agreement {
  // Each expected output is there, with its datatype and shape, and all of its numbers are within tolerance.
  bool agreed = true;
  // Of the numbers that are finite on both sides: how many, and their absolute differences.
  std::uint64_t elements = 0;
  double difference_sum = 0;
  double worst_difference = 0;
  // Rows of outputs that may be classes, and those whose greatest number is in the same place.
  std::uint64_t rows = 0;
  std::uint64_t rows_agreed = 0;
};

// Compares the answer with the expected one, output by output, by their names. Whole numbers and booleans
// must be equal; NaN equals NaN, and infinity itself. Rows are those of outputs with at least two dimensions,
// of which the last is more than 1; of equal numbers the first is the greatest. Outputs that are not expected
// do not matter. Thread-safe: no state.
Agreement compare(std::span<const OutputTensor> expected, std::span<const OutputTensor> actual,
                  const Tolerance& tolerance);

}  // namespace pilotlight::front
