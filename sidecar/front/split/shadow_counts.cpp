#include "sidecar/front/split/shadow_counts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pilotlight::front {

void ShadowCounts::add(const std::optional<Agreement>& found) {
  ++compared_;
  if (!found) ++failed_;
  if (!found || !found->agreed) ++disagreed_;
  if (!found) return;
  rows_ += found->rows;
  rows_agreed_ += found->rows_agreed;
  elements_ += found->elements;
  difference_sum_ += found->difference_sum;
  worst_difference_ = std::max(worst_difference_, found->worst_difference);
}

nlohmann::json ShadowCounts::to_json() const {
  const double mean = elements_ > 0 ? difference_sum_ / static_cast<double>(elements_) : 0;
  return {{"compared", compared_},
          {"disagreed", disagreed_},
          {"failed", failed_},
          {"top1", {{"rows", rows_}, {"agreed", rows_agreed_}}},
          {"elements", elements_},
          {"meanDifference", mean},
          {"worstDifference", worst_difference_}};
}

}  // namespace pilotlight::front
