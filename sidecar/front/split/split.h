#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/message.h"
#include "sidecar/front/split/choice.h"
#include "sidecar/front/split/document.h"
#include "sidecar/front/split/hop_client.h"
#include "sidecar/front/split/identity.h"
#include "sidecar/front/split/mirror.h"
#include "sidecar/front/split/tally.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// Where a request is to be answered, and for whom it counts.
struct Placement {
  bool at_peer = false;
  bool asked = false;      // it named the revision: nobody else may answer
  bool mirrored = false;   // when it has been answered here, a candidate is to answer it, too
  std::optional<Arm> arm;  // nothing: it does not count
  std::uint64_t segment = 0;
  std::uint64_t session = 0;
  std::string candidate;                  // the revision that it is at
  std::string pod;                        // that it was handed to; empty: this one
  std::optional<http::Response> refusal;  // it can be answered nowhere
};

// The share of this front's requests that is handed to pods of the candidate
// (docs/designs/0016-the-split.md). Runs on the loop's thread.
class Split {
 public:
  struct Settings {
    std::string revision;  // this pod's
    std::string pod_uid;
    std::uint16_t peer_port = 8082;
    bool loopback = false;  // peers may have such addresses
    HopClient::Limits limits = {};
    Mirror::Limits mirror = {};
  };
  Split(boost::asio::io_context& io, Timers& timers, const HopIdentity& identity, Settings settings);

  // The body of a PUT /split. The error is parse_split()'s; nothing has then changed.
  std::expected<void, std::string> apply(std::uint64_t epoch, const nlohmann::json& body);

  // Whether this caller may hand requests to us.
  bool accepts(const Fingerprint& caller) const;

  // Decides about a request for an inference, of which the head is here. `id` is the request's.
  Placement place(const http::Request& head, std::string_view id);
  // Hands it over, if it is placed at a peer. Without one to take it, or with another candidate by now, the
  // placement becomes one for here.
  std::optional<HopClient::Sent> hand_over(Placement& placement, HopRequest request);
  // A handed-over request may have so much of its time until the hop has failed.
  Timers::Clock::time_point hop_deadline(Timers::Clock::time_point request_deadline) const;
  bool falls_back() const { return document_ && document_->fallback; }

  // What a request that counts has come to. Called once for each.
  void count(const Placement& placement, Verdict verdict, std::chrono::duration<double> took);

  // Where requests go that are mirrored.
  Mirror& mirror() { return mirror_; }

  // For the status document; null before the first split.
  nlohmann::json to_json() const;
  const Tally& tally() const { return tally_; }
  double weight() const;  // in force, in percent
  const std::optional<SplitDocument>& document() const { return document_; }
  std::uint64_t epoch() const { return epoch_; }
  std::size_t peers() const { return document_ ? document_->peers.size() : 0; }
  std::size_t usable_peers() const { return client_.usable(); }

 private:
  bool expired() const;
  unsigned hundredths() const;
  Placement asked_for(std::string_view revision) const;
  Placement uncounted(Unsplit why);
  bool falls_to_mirror(const Draw& drawn, std::string_view key, std::string_view id) const;

  Timers& timers_;
  Settings settings_;
  HopClient client_;
  std::optional<SplitDocument> document_;
  std::uint64_t epoch_ = 0;
  std::chrono::system_clock::time_point applied_at_;
  Tally tally_;
  Mirror mirror_;
};

}  // namespace pilotlight::front
