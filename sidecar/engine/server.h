#pragma once

#include <cstddef>
#include <span>

#include "sidecar/engine/model.h"
#include "sidecar/wire/arena.h"
#include "sidecar/wire/contract.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// Answers Infer packets with Result packets, one at a time. Tensors are copied out of the arena before the
// model sees them and into it afterwards: a model that kept its input must not hold the next caller's. Not
// thread-safe.
class Server {
 public:
  Server(Model model, wire::Contract contract, wire::Arena arena, wire::NonFinite non_finite);

  enum class End { kClosed, kBroken };
  // Until the other side closes its end; kBroken if it speaks nonsense or the socket fails.
  End run(int socket);

  // One answer, without the socket.
  wire::ParsedResult answer(const wire::Infer& infer);

 private:
  wire::Status infer(const wire::Infer& infer, wire::ParsedResult& answer);
  wire::Status write(const std::vector<at::Tensor>& outputs, const wire::Infer& infer,
                     wire::ParsedResult& answer) const;

  Model model_;
  wire::Contract contract_;
  wire::Arena arena_;
  wire::NonFinite non_finite_;
};

}  // namespace pilotlight::engine
