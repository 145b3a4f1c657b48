#include "sidecar/engine/warmup.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

namespace pilotlight::engine {

bool Convergence::add(double milliseconds) {
  constexpr std::size_t kWindow = 3;
  constexpr std::size_t kMost = 50;
  constexpr double kSpread = 1.2;
  taken_.push_back(milliseconds);
  if (taken_.size() < kWindow) return false;
  const auto [least, most] = std::ranges::minmax_element(taken_.end() - kWindow, taken_.end());
  return taken_.size() >= kMost || *most <= kSpread * *least;
}

std::expected<Warmth, RunError> warm_up(Model& model, const std::vector<at::Tensor>& inputs,
                                        const Clock& clock, std::chrono::steady_clock::time_point deadline) {
  Convergence convergence;
  Warmth warmth;
  for (bool enough = false; !enough;) {
    std::vector<at::Tensor> copies;
    for (const at::Tensor& each : inputs) copies.push_back(each.clone());
    const auto start = clock();
    auto answer = model.run(copies);
    const auto end = clock();
    if (!answer) return std::unexpected(std::move(answer).error());
    warmth.warm_ms = std::chrono::duration<double, std::milli>(end - start).count();
    if (warmth.runs++ == 0) warmth.first_ms = warmth.warm_ms;
    enough = convergence.add(warmth.warm_ms) || end >= deadline;
  }
  return warmth;
}

}  // namespace pilotlight::engine
