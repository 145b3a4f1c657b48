#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "sidecar/engine/model.h"

namespace pilotlight::engine {

using Clock = std::function<std::chrono::steady_clock::time_point()>;

struct Warmth {
  std::int64_t batch_size = 1;
  double first_ms = 0;
  double warm_ms = 0;  // the last
  int runs = 0;
};

// Decides when a model is warm: the last three latencies lie within 20 % of each other, or 50 have been
// taken.
class Convergence {
 public:
  // Whether that was enough.
  bool add(double milliseconds);

 private:
  std::vector<double> taken_;
};

// Runs the inputs until the model is warm or the deadline has passed; at least once. LibTorch compiles and
// specialises in the first runs, which may take a hundred times as long as later ones.
std::expected<Warmth, RunError> warm_up(Model& model, const std::vector<at::Tensor>& inputs,
                                        const Clock& clock, std::chrono::steady_clock::time_point deadline);

}  // namespace pilotlight::engine
