#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/message.h"
#include "sidecar/front/split/document.h"
#include "sidecar/front/split/identity.h"
#include "sidecar/front/split/tally.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// Why no answer came of a hop.
enum class HopFailure {
  kUnreachable,  // nobody listens there
  kUntrusted,    // it is not who it should be
  kReset,        // the connection ended, or the peer would not have us
  kTimeout,
  kMalformed,  // it does not speak HTTP
  kTooLarge    // its answer is
};
std::string_view hop_failure_name(HopFailure failure);

using HopResult = std::expected<http::Response, HopFailure>;

// A request for a peer.
struct HopRequest {
  std::string head;       // whole, with its empty line
  std::string_view body;  // must stay until it is done or cancelled, and what `keep` holds longer
  std::shared_ptr<void> keep;
  Timers::Clock::time_point deadline;
  std::function<void(HopResult)> done;  // called once unless it is cancelled; never from within send()
};

class HopConnection;

// The pods of the candidate, and connections to them, which are kept and used again. A peer that fails is
// left alone for a while that grows, then tried with one request. Runs on the loop's thread.
class HopClient {
 public:
  struct Limits {
    std::size_t connections_each = 16;
    std::size_t connections = 32;  // of 0.1 MiB each (measured)
    std::chrono::milliseconds connect{1000};
    std::chrono::milliseconds idle{20'000};  // shorter than the peer's, so that it is we who close
    std::uint64_t answer_bytes = 64 * 1024 * 1024;
  };

  HopClient(boost::asio::io_context& io, Timers& timers, const HopIdentity& identity, std::uint16_t port,
            Limits limits);
  ~HopClient();
  HopClient(const HopClient&) = delete;
  HopClient& operator=(const HopClient&) = delete;

  // From now on these. Requests to others are finished.
  void set_peers(const std::vector<SplitPeer>& peers);

  // A request under way.
  struct Sent {
    std::string pod_uid;
    std::function<void()> cancel;
  };
  // Sends it to a peer, or says why there is none.
  std::expected<Sent, Unsplit> send(HopRequest request);

  // [{"podUID", "state": "Up" | "Down" | "Leaving", "inFlight", "lastFailure"?}]
  nlohmann::json to_json() const;
  std::size_t connections() const { return all_.size(); }
  std::size_t usable() const;  // peers

 private:
  friend class HopConnection;
  struct Peer;

  Peer* choose();
  bool may_use(const Peer& peer) const;
  void succeeded(Peer& peer, bool leaving);
  void failed(Peer& peer, HopFailure failure);
  void idle(const std::shared_ptr<HopConnection>& connection);
  void closed(HopConnection& connection);

  boost::asio::io_context& io_;
  Timers& timers_;
  std::unique_ptr<boost::asio::ssl::context> context_;
  std::uint16_t port_;
  Limits limits_;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::list<std::weak_ptr<HopConnection>> all_;
  std::size_t last_ = 0;  // whose turn it was
};

}  // namespace pilotlight::front
