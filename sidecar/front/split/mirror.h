#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sidecar/front/inferences.h"
#include "sidecar/front/split/document.h"
#include "sidecar/front/split/hop_client.h"
#include "sidecar/front/split/tally.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// Marks a request that another front does not wait for. It is read at the hop's port alone.
inline constexpr std::string_view kMirrorMark = "x-pilotlight-mirror";
// What such a request is answered where there is no room for it: it says nothing about the model.
inline constexpr unsigned kMirrorRefused = 429;

// Requests that were answered here and are sent to a candidate once more, whose answers are compared with
// ours and dropped (docs/designs/0018-the-shadow.md). It has connections of its own, so that it takes none
// from requests that somebody waits for, and what goes wrong on them changes nothing for these. Runs on the
// loop's thread.
class Mirror {
 public:
  struct Limits {
    std::size_t requests = 8;               // kept or under way
    std::size_t connections_each = 2;       // to a pod, whose engine has so many at a time
    std::uint64_t bytes = 8 * 1024 * 1024;  // of these, bodies and our own answers
    // Of one answer of ours: comparing it holds the loop up.
    std::uint64_t answer_bytes = 1024 * 1024;
    std::uint64_t answer_numbers = 256 * 1024;
  };
  Mirror(boost::asio::io_context& io, Timers& timers, const HopIdentity& identity, std::uint16_t port,
         Limits limits, Tally& tally);

  // From now on so.
  void apply(const SplitDocument& document);
  // How long a candidate may take.
  std::chrono::duration<double> timeout() const { return timeout_; }

  // A request that waits for our own answer to it; letting go of it is enough.
  class Kept;
  // Null if there is no room. The segment is that of the request.
  std::shared_ptr<Kept> keep(std::uint64_t segment, std::string head, std::string body);
  // Sends it, after what else the loop has to do now. The outputs are our own answer's.
  void send(std::shared_ptr<Kept> kept, std::span<const OutputTensor> outputs);

 private:
  struct Held {
    std::size_t requests = 0;
    std::uint64_t bytes = 0;
  };
  bool has_room(std::uint64_t bytes) const;
  void flush();
  void hand_over(const std::shared_ptr<Kept>& kept);
  void answered(const Kept& kept, HopResult result);

  Timers& timers_;
  Limits limits_;
  Tally& tally_;
  HopClient client_;
  Tolerance tolerance_;
  std::chrono::duration<double> timeout_{0};
  std::shared_ptr<Held> held_ = std::make_shared<Held>();
  std::vector<std::shared_ptr<Kept>> ready_;
  Timers::Handle soon_;
};

}  // namespace pilotlight::front
