#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "sidecar/engine/prover.h"

namespace pilotlight::engine {

using CheckGraph = std::function<Outcome<void>(Model&, Proof&)>;

struct Chosen {
  Model model;
  Proof proof;
};

// Tries the forms of a model's graph and keeps the fastest that passes `check`, timed on `inputs`. Without
// any, nothing could show that another form answers the same, and the plain one is kept. The model as it was
// written is checked first and must pass; what is wrong with another form is noted in the proof, and no
// fault.
//
// A form may also never come back: before each, `proving.try_graph` says how long it may take, and whoever
// listens ends the process when it takes longer, and starts another with `LoadRequest::without_graphs`.
//
// With `LoadRequest::graph` only that form is tried, and the plain one should it fail.
Outcome<Chosen> choose_graph(Model plain, const Proof& proof, const Proving& proving, const CheckGraph& check,
                             const std::vector<at::Tensor>& inputs);

}  // namespace pilotlight::engine
