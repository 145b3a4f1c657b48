#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/front/split/fingerprint.h"
#include "sidecar/front/split/tolerance.h"

namespace pilotlight::front {

// A pod of the candidate that requests may be handed to.
struct SplitPeer {
  std::string pod_uid;
  boost::asio::ip::address ip;
  Fingerprint certificate;

  bool operator==(const SplitPeer&) const = default;
};

// Which of the requests that are answered here a candidate answers, too, and how alike the answers must be.
struct MirrorOrder {
  unsigned hundredths = 0;  // of a percent
  Tolerance tolerance;
};

// The body of PUT /split (docs/sidecar.md).
struct SplitDocument {
  unsigned hundredths = 0;  // of a percent: the weight, 0 to 10,000
  std::string salt;         // of the rollout's attempt
  std::string id;           // the operator's own word for what it asks for
  std::string segment;      // and for the segment of counting; another one begins another
  std::chrono::duration<double> latency_threshold{0};  // from which a request is slow; zero: there is none
  std::string sticky_header;  // whose value is a session; empty: each request for itself
  bool fallback = true;       // answer here what the candidate fails
  std::uint64_t hold_bytes = 1024 * 1024;
  std::chrono::duration<double> hop_timeout{5};
  std::optional<MirrorOrder> mirror;
  bool allow_revision_header = false;
  std::string revision;  // the candidate's; empty: there is no peer
  std::vector<SplitPeer> peers;
  std::chrono::duration<double> probe_every{0};  // golden requests of this pod's own engine; zero: none
  std::vector<Fingerprint> callers;              // who may hand requests to this pod
  bool stable_is_full = false;
  std::chrono::system_clock::time_point expires_at;
};

inline constexpr std::size_t kMostPeers = 128;
inline constexpr std::size_t kMostCallers = 512;
inline constexpr std::uint64_t kMostHoldBytes = 16 * 1024 * 1024;

// `revision` is that of this pod, which its peers must not have; `loopback` is parse_peer_address()'s. The
// error names the field, its value and what it must be. Unknown fields are passed over. Thread-safe: no
// state.
std::expected<SplitDocument, std::string> parse_split(const nlohmann::json& body, std::string_view revision,
                                                      bool loopback);

}  // namespace pilotlight::front
