#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/engine/bundle/bundle.h"
#include "sidecar/engine/model.h"
#include "sidecar/engine/tolerance.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::engine {

// The worst of all elements of all golden cases.
struct GoldenReport {
  std::size_t cases = 0;
  Tolerance tolerance;  // of the worst element's tensor
  std::string worst_case;
  std::string worst_tensor;
  Deviation worst;
};

// Runs every case twice, and, where the contract has a batch, every row of it alone, and all cases whose
// shapes allow it as one batch: a model that is not deterministic, or whose rows depend on each other, must
// not be batched. The outputs are checked against the contract too. Faults: `GoldenMismatch`,
// `NonFiniteOutput`, `InvalidContract`, `InvalidBundle` (a case that does not suit the contract),
// `LoadFailed` (forward threw), `OutOfMemory`.
Outcome<GoldenReport> run_golden(Model& model, const wire::Contract& contract, const Bundle& bundle,
                                 const wire::LoadRequest& request);

// Runs one case once more, as it is, on a model that serves; its tolerances are those of the proof. Faults as
// above.
Outcome<GoldenReport> rerun_golden(Model& model, const wire::Contract& contract, const Bundle& bundle,
                                   const wire::LoadRequest& request, std::size_t which);

// {"case", "tensor", "index", "expected", "actual", "error", "allowed"}.
nlohmann::json worst_error(const GoldenReport& report);

// A case's inputs in the contract's order; `InvalidBundle` if they do not suit it.
Outcome<std::vector<at::Tensor>> inputs_of(const GoldenCase& golden, const wire::Contract& contract);

}  // namespace pilotlight::engine
