#include "sidecar/front/split/hop_service.h"

namespace pilotlight::front {

std::expected<std::uint64_t, http::Response> HopService::admit(http::Request& head) {
  const auto caller = parse_fingerprint(head.certificate);
  if (!caller || !split_.accepts(*caller)) {
    auto refusal = http::error(503, "this pod takes no requests from this caller; the operator says whose");
    refusal.close = true;
    return std::unexpected(std::move(refusal));
  }
  return api_.admit_hop(head);
}

}  // namespace pilotlight::front
