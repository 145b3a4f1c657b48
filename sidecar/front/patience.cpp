#include "sidecar/front/patience.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pilotlight::front {

Patience::Patience(Seconds most, const wire::Contract& contract, const nlohmann::json& warmup) : most_(most) {
  if (!wire::only_batch_varies(contract) || !warmup.is_array()) return;
  for (const auto& each : warmup) {
    if (!each.is_object()) continue;
    const auto rows = each.find("batchSize");
    const auto milliseconds = each.find("warmMs");
    if (rows == each.end() || milliseconds == each.end()) continue;
    if (!rows->is_number_integer() || !milliseconds->is_number() || *rows < 1) continue;
    warm_[rows->get<std::int64_t>()] = std::chrono::duration<double, std::milli>(milliseconds->get<double>());
  }
}

Patience::Seconds Patience::for_rows(std::int64_t rows) const {
  constexpr double kTimes = 20;
  constexpr Seconds kLeast{1};
  if (warm_.empty()) return most_;
  const auto as_many = warm_.lower_bound(rows);
  const auto& [measured, took] = as_many == warm_.end() ? *warm_.rbegin() : *as_many;
  // More rows than were ever tried take longer, in proportion at the most.
  const double more = std::max(1.0, static_cast<double>(rows) / static_cast<double>(measured));
  return std::min(most_, std::max(kLeast, kTimes * more * took));
}

}  // namespace pilotlight::front
