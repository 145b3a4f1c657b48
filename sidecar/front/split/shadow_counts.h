#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "sidecar/front/split/agreement.h"

namespace pilotlight::front {

// What one pod's answers to mirrored requests came to. Not thread-safe.
class ShadowCounts {
 public:
  // Without an agreement there was no answer to compare: it has failed, and so does not agree.
  void add(const std::optional<Agreement>& found);

  // {"compared", "disagreed", "failed", "top1": {"rows", "agreed"}, "elements", "meanDifference",
  // "worstDifference"}
  nlohmann::json to_json() const;

 private:
  std::uint64_t compared_ = 0;
  std::uint64_t disagreed_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t rows_agreed_ = 0;
  std::uint64_t elements_ = 0;
  double difference_sum_ = 0;
  double worst_difference_ = 0;
};

}  // namespace pilotlight::front
