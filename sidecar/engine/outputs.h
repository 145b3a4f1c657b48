#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/engine/model.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::engine {

// Puts outputs in the contract's order, and checks each against it: number, names, datatype, shape, and,
// where `batch` is given, the first dimension. The error names the output. A contract without outputs takes
// them as they are.
std::expected<std::vector<at::Tensor>, std::string> arrange_outputs(Outputs outputs,
                                                                    const wire::Contract& contract,
                                                                    std::optional<std::int64_t> batch);

// The batch of inputs that are in the contract's order; nullopt if the contract has none.
std::optional<std::int64_t> batch_of(const wire::Contract& contract, const std::vector<at::Tensor>& inputs);

// The name of the first tensor that holds NaN or infinity; nullopt if none does. Names are those of the
// contract.
std::optional<std::string> non_finite(const std::vector<at::Tensor>& outputs, const wire::Contract& contract);

}  // namespace pilotlight::engine
