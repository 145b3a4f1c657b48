#pragma once

#include <vector>

#include "sidecar/front/arena_heap.h"
#include "sidecar/wire/messages.h"

namespace pilotlight::front {

// Input tensors in the arena, in the contract's order.
struct Inputs {
  std::vector<wire::Tensor> tensors;
  std::vector<ArenaHeap::Block> blocks;  // where each tensor's bytes are
};

}  // namespace pilotlight::front
