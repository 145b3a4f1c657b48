#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>

#include "sidecar/wire/contract.h"

namespace pilotlight::front {

// How long the engine may be at one inference before it is taken to hang: twenty times what as many rows took
// when it was warm, at least 1 s, at most the endpoint's timeout. The timeout alone holds where nothing
// comparable was run: without a warm-up, and where more than the batch varies.
class Patience {
 public:
  using Seconds = std::chrono::duration<double>;

  explicit Patience(Seconds most) : most_(most) {}
  // `warmup` is that of the proof; the engine wrote it, so it is not believed to be of any form.
  Patience(Seconds most, const wire::Contract& contract, const nlohmann::json& warmup);

  // For an inference of so many rows; 1 where there is no batch.
  [[nodiscard]] Seconds for_rows(std::int64_t rows) const;
  // For any.
  [[nodiscard]] Seconds most() const { return most_; }

 private:
  Seconds most_;
  std::map<std::int64_t, Seconds> warm_;  // by rows
};

}  // namespace pilotlight::front
