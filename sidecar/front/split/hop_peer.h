#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "sidecar/front/backoff.h"
#include "sidecar/front/split/hop_client.h"

namespace pilotlight::front {

// What is known of one pod of the candidate, and its connections that wait for work.
struct HopClient::Peer {
  explicit Peer(SplitPeer told) : about(std::move(told)) {}

  SplitPeer about;
  bool retired = false;  // the split names it no more
  std::vector<std::shared_ptr<HopConnection>> idle;
  std::size_t connections = 0;
  std::size_t in_flight = 0;
  std::size_t failures = 0;  // in a row
  bool leaving = false;      // it has said so
  std::optional<HopFailure> last_failure;
  Timers::Clock::time_point not_before;
  Backoff pause{std::chrono::seconds(1), std::chrono::seconds(30)};
};

}  // namespace pilotlight::front
