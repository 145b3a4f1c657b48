#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>

#include "sidecar/engine/bundle/bundle.h"
#include "sidecar/engine/model.h"
#include "sidecar/wire/arena.h"
#include "sidecar/wire/contract.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/load_request.h"
#include "sidecar/wire/recheck.h"

namespace pilotlight::engine {

// Answers Infer packets with Result packets, and Recheck packets with Rechecked ones, one at a time. Tensors
// are copied out of the arena before the model sees them and into it afterwards: a model that kept its input
// must not hold the next caller's. Throws DeviceFailed instead of an answer. Not thread-safe.
class Server {
 public:
  // `bundle` may have no golden cases; the bytes that it lies in must outlive the server.
  Server(Model model, wire::Contract contract, wire::Arena arena, Bundle bundle, wire::LoadRequest request);

  enum class End { kClosed, kBroken };
  // Until the other side closes its end; kBroken if it speaks nonsense or the socket fails.
  End run(int socket);

  // One answer, without the socket.
  wire::ParsedResult answer(const wire::Infer& infer);
  wire::Rechecked recheck(const wire::Recheck& recheck);

 private:
  std::expected<void, std::string> serve(int socket, std::span<const std::byte> packet);
  wire::Status infer(const wire::Infer& infer, wire::ParsedResult& answer);
  wire::Status write(const std::vector<at::Tensor>& outputs, const wire::Infer& infer,
                     wire::ParsedResult& answer) const;

  Model model_;
  wire::Contract contract_;
  wire::Arena arena_;
  Bundle bundle_;
  wire::LoadRequest request_;
};

}  // namespace pilotlight::engine
