#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "sidecar/engine/model.h"
#include "sidecar/wire/contract.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// Where a model brings no golden cases, its graph as written is the measure of the other forms: on inputs
// made from the contract they must answer what it answers, within the tolerances. All must outlive it.
class Agreement {
 public:
  Agreement(const wire::Contract& contract, const wire::LoadRequest& request,
            const std::vector<at::Tensor>& inputs)
      : contract_(contract), request_(request), inputs_(inputs) {}

  // The plain one is listened to, and those after it are compared: `GoldenMismatch` if one differs, or if the
  // plain one gave no answers to compare with. One that comes without it has been compared before.
  Outcome<void> check(Model& model, wire::Graph graph);

 private:
  Outcome<std::vector<at::Tensor>> answers(Model& model);

  const wire::Contract& contract_;
  const wire::LoadRequest& request_;
  const std::vector<at::Tensor>& inputs_;
  std::optional<std::vector<at::Tensor>> plain_;  // its answers, once it has been asked
};

}  // namespace pilotlight::engine
