#include "sidecar/front/deadly_inputs.h"

#include <algorithm>
#include <span>

#include "sidecar/artifact/sha256.h"

namespace pilotlight::front {
namespace {

constexpr std::chrono::minutes kRefusedFor{10};
// Whoever finds more ways than this to end an engine is not stopped by remembering them.
constexpr std::size_t kMost = 1024;

std::string digest_of(const Inputs& inputs) {
  artifact::Sha256 sha;
  for (std::size_t i = 0; i < inputs.tensors.size(); ++i) {
    const auto& tensor = inputs.tensors[i];
    sha.update(std::as_bytes(std::span(&tensor.datatype, 1)));
    sha.update(std::as_bytes(std::span(&tensor.rank, 1)));
    sha.update(std::as_bytes(std::span(tensor.shape, tensor.rank)));
    sha.update(inputs.blocks[i].bytes().first(tensor.bytes));
  }
  return sha.hex();
}

}  // namespace

void DeadlyInputs::ended_with(const Inputs& inputs, EngineEnd end) {
  forget_old();
  if (records_.size() >= kMost) {
    const auto oldest =
        std::ranges::min_element(records_, {}, [](const auto& entry) { return entry.second.until; });
    records_.erase(oldest);
  }
  const auto [found, first] = records_.try_emplace(digest_of(inputs));
  found->second.refused = end == EngineEnd::kCrashed || !first;
  found->second.until = timers_.now() + kRefusedFor;
}

bool DeadlyInputs::refuses(const Inputs& inputs) {
  forget_old();
  if (records_.empty()) return false;
  const auto found = records_.find(digest_of(inputs));
  return found != records_.end() && found->second.refused;
}

void DeadlyInputs::answered(const Inputs& inputs) {
  if (records_.empty()) return;
  const auto found = records_.find(digest_of(inputs));
  if (found != records_.end() && !found->second.refused) records_.erase(found);
}

void DeadlyInputs::forget_old() {
  std::erase_if(records_, [now = timers_.now()](const auto& entry) { return entry.second.until <= now; });
}

}  // namespace pilotlight::front
