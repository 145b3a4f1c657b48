#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/engine/bundle/manifest.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// |actual − expected| ≤ absolute · max|expected| + relative · |expected|, for every element.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
  std::string_view source = "default";  // spec, bundle or default: the first that says either number
};

// The user's before the bundle's before the datatype's default; each number by itself. Integers and booleans
// are exact, whatever anyone says.
Tolerance tolerance_for(wire::Datatype type, const wire::LoadRequest& request, const Manifest& manifest);

// The element that comes nearest to what is allowed, or goes farthest beyond.
struct Deviation {
  std::vector<std::int64_t> index;
  double expected = 0;
  double actual = 0;
  double error = 0;    // |actual − expected|; infinite where only one of the two is finite
  double allowed = 0;  // at this element
  double share = 0;    // error / allowed: above 1 is too much

  [[nodiscard]] bool passes() const { return share <= 1; }
};

// Both must have the same shape and datatype. NaN equals only NaN, and an infinity only itself. `scale` is
// max|expected| over the finite elements of the whole case, of which `expected` may be one row.
Deviation compare(const at::Tensor& actual, const at::Tensor& expected, double scale,
                  const Tolerance& tolerance);

// max|expected| over its finite elements; 0 if it has none.
double scale_of(const at::Tensor& expected);

}  // namespace pilotlight::engine
