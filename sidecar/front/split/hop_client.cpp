#include "sidecar/front/split/hop_client.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"
#include "sidecar/front/split/hop_connection.h"
#include "sidecar/front/split/hop_peer.h"

namespace pilotlight::front {
namespace {

// For how long a peer that is leaving gets nothing; by then the operator has taken it out, or it has come
// back.
constexpr std::chrono::seconds kLeaves{5};

}  // namespace

std::string_view hop_failure_name(HopFailure failure) {
  switch (failure) {
    case HopFailure::kUnreachable:
      return "Unreachable";
    case HopFailure::kUntrusted:
      return "Untrusted";
    case HopFailure::kReset:
      return "Reset";
    case HopFailure::kTimeout:
      return "Timeout";
    case HopFailure::kMalformed:
      return "Malformed";
    case HopFailure::kTooLarge:
      return "TooLarge";
  }
  std::unreachable();
}

HopClient::HopClient(boost::asio::io_context& io, Timers& timers, const HopIdentity& identity,
                     std::uint16_t port, Limits limits)
    : io_(io), timers_(timers), context_(identity.client()), port_(port), limits_(limits) {}

HopClient::~HopClient() {
  for (const auto& each : std::exchange(all_, {})) {
    if (const auto connection = each.lock()) connection->orphan();
  }
  for (const auto& each : peers_) each->idle.clear();  // which know their peer
}

void HopClient::set_peers(const std::vector<SplitPeer>& peers) {
  std::vector<std::shared_ptr<Peer>> now;
  for (const auto& about : peers) {
    const auto known = std::ranges::find_if(peers_, [&](const auto& each) { return each->about == about; });
    now.push_back(known == peers_.end() ? std::make_shared<Peer>(about) : *known);
  }
  for (const auto& each : std::exchange(peers_, std::move(now))) {
    if (std::ranges::contains(peers_, each)) continue;
    each->retired = true;
    for (const auto& connection : std::exchange(each->idle, {})) connection->close();
  }
}

bool HopClient::may_use(const Peer& peer) const {
  if (timers_.now() < peer.not_before) return false;
  // One at a time until it has answered again.
  return peer.failures == 0 || peer.in_flight == 0;
}

std::size_t HopClient::usable() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(peers_, [this](const auto& each) { return may_use(*each); }));
}

// The one with the least to do; among equals the one whose turn it is.
HopClient::Peer* HopClient::choose() {
  Peer* best = nullptr;
  std::size_t chosen = last_;
  for (std::size_t i = 1; i <= peers_.size(); ++i) {
    const auto at = (last_ + i) % peers_.size();
    auto& peer = *peers_[at];
    if (!may_use(peer) || (best != nullptr && peer.in_flight >= best->in_flight)) continue;
    best = &peer;
    chosen = at;
  }
  last_ = chosen;
  return best;
}

std::expected<HopClient::Sent, Unsplit> HopClient::send(HopRequest request) {
  auto* peer = choose();
  if (peer == nullptr) return std::unexpected(Unsplit::kNoPeer);
  std::shared_ptr<HopConnection> connection;
  if (!peer->idle.empty()) {
    connection = std::move(peer->idle.back());
    peer->idle.pop_back();
    ++peer->in_flight;
    connection->send(std::move(request));
  } else {
    if (peer->connections >= limits_.connections_each || all_.size() >= limits_.connections) {
      return std::unexpected(Unsplit::kNoRoom);
    }
    const auto shared = *std::ranges::find(peers_, peer, &std::shared_ptr<Peer>::get);
    connection = std::make_shared<HopConnection>(*this, shared);
    all_.push_back(connection);
    ++peer->connections;
    ++peer->in_flight;
    connection->open({peer->about.ip, port_}, std::move(request));
  }
  return Sent{.pod_uid = peer->about.pod_uid, .cancel = [weak = std::weak_ptr(connection)] {
                if (const auto still = weak.lock()) still->abandon();
              }};
}

void HopClient::succeeded(Peer& peer, bool leaving) {
  if (peer.failures > 0) {
    log::Info("A peer answers again", {{"pod", peer.about.pod_uid}});
    peer.pause.reset();
  }
  peer.failures = 0;
  peer.leaving = leaving;
  if (leaving) peer.not_before = timers_.now() + kLeaves;
}

void HopClient::failed(Peer& peer, HopFailure failure) {
  log::Warn("A hop failed", {{"pod", peer.about.pod_uid}, {"why", hop_failure_name(failure)}});
  ++peer.failures;
  peer.last_failure = failure;
  const auto pause = std::chrono::duration_cast<Timers::Clock::duration>(peer.pause.next());
  peer.not_before = timers_.now() + pause;
}

void HopClient::idle(const std::shared_ptr<HopConnection>& connection) {
  auto& peer = connection->peer();
  if (peer.retired) return connection->close();
  peer.idle.push_back(connection);
}

void HopClient::closed(HopConnection& connection) {
  auto& peer = connection.peer();
  --peer.connections;
  std::erase_if(peer.idle, [&](const auto& each) { return each.get() == &connection; });
  std::erase_if(all_, [&](const auto& each) {
    const auto still = each.lock();
    return !still || still.get() == &connection;
  });
}

nlohmann::json HopClient::to_json() const {
  auto document = nlohmann::json::array();
  for (const auto& peer : peers_) {
    const bool down = peer->failures > 0;
    const bool leaving = peer->leaving && timers_.now() < peer->not_before;
    nlohmann::json entry = {{"podUID", peer->about.pod_uid},
                            {"state", down      ? "Down"
                                      : leaving ? "Leaving"
                                                : "Up"},
                            {"inFlight", peer->in_flight}};
    if (peer->last_failure) entry["lastFailure"] = hop_failure_name(*peer->last_failure);
    document.push_back(std::move(entry));
  }
  return document;
}

}  // namespace pilotlight::front
