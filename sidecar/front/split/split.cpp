#include "sidecar/front/split/split.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"
#include "common/text/printable.h"
#include "common/time/rfc3339.h"

namespace pilotlight::front {
namespace {

constexpr std::string_view kRevision = "x-pilotlight-revision";

// Of a head that was accepted; without the field there is no body.
std::uint64_t body_bytes(const http::Request& head) {
  const auto text = head.field("content-length");
  std::uint64_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

}  // namespace

Split::Split(boost::asio::io_context& io, Timers& timers, const HopIdentity& identity, Settings settings)
    : timers_(timers),
      settings_(std::move(settings)),
      client_(io, timers, identity, settings_.peer_port, settings_.limits),
      mirror_(io, timers, identity, settings_.peer_port, settings_.mirror, tally_) {}

std::expected<void, std::string> Split::apply(std::uint64_t epoch, const nlohmann::json& body) {
  auto document = parse_split(body, settings_.revision, settings_.loopback);
  if (!document) return std::unexpected(document.error());
  client_.set_peers(document->peers);
  mirror_.apply(*document);
  const auto now = timers_.wall();
  // The dice do not know whether there are peers at the moment.
  auto candidate = document->revision;
  if (candidate.empty() && document_ && document_->salt == document->salt) candidate = document_->revision;
  document->revision = candidate;
  tally_.apply(
      epoch,
      {.hundredths = document->hundredths,
       .salt = document->salt,
       .sticky_header = document->sticky_header,
       .candidate = std::move(candidate),
       .label = document->segment,
       .slow_threshold = document->latency_threshold,
       .mirror = document->mirror.transform([](const MirrorOrder& order) { return order.tolerance; })},
      now);
  if (epoch != epoch_) applied_at_ = now;
  epoch_ = epoch;
  document_ = *std::move(document);
  log::Info("Split", {{"epoch", epoch},
                      {"hundredths", std::uint64_t{document_->hundredths}},
                      {"candidate", document_->revision},
                      {"peers", std::uint64_t{document_->peers.size()}},
                      {"callers", std::uint64_t{document_->callers.size()}}});
  return {};
}

bool Split::accepts(const Fingerprint& caller) const {
  return document_ && std::ranges::binary_search(document_->callers, caller);
}

bool Split::expired() const {
  return document_ && timers_.wall() >= document_->expires_at;
}

unsigned Split::hundredths() const {
  if (!document_ || (document_->stable_is_full && expired())) return 0;
  return document_->hundredths;
}

double Split::weight() const {
  return hundredths() / 100.0;
}

Placement Split::uncounted(Unsplit why) {
  tally_.unsplit(tally_.segment(), why);
  return {};
}

Placement Split::asked_for(std::string_view revision) const {
  if (revision == settings_.revision) return {.asked = true};
  if (!document_->revision.empty() && revision == document_->revision)
    return {.at_peer = true, .asked = true, .candidate = document_->revision};
  auto there = std::format("'{}' (stable)", settings_.revision);
  if (!document_->revision.empty()) there += std::format(" and '{}' (candidate)", document_->revision);
  return {.refusal =
              http::error(404, std::format("x-pilotlight-revision: there is no revision {}; there is {}",
                                           Quoted(revision), there))};
}

Placement Split::place(const http::Request& head, std::string_view id) {
  if (!document_) return {};
  if (const auto asked = head.field(kRevision); document_->allow_revision_header && !asked.empty()) {
    tally_.unsplit(tally_.segment(), Unsplit::kAsked);
    return asked_for(asked);
  }
  // The path may name the version as well, and only this pod's gets so far.
  if (head.path.contains("/versions/")) return uncounted(Unsplit::kAsked);
  if (document_->stable_is_full && expired()) return uncounted(Unsplit::kExpired);
  if (body_bytes(head) > document_->hold_bytes) return uncounted(Unsplit::kTooLarge);
  std::string_view key = id;
  if (!document_->sticky_header.empty()) {
    if (const auto session = head.field(document_->sticky_header); !session.empty()) key = session;
  }
  const auto drawn = draw(document_->salt, key);
  const bool candidate = falls_to_candidate(drawn, document_->hundredths);
  return {.at_peer = candidate,
          .mirrored = !candidate && falls_to_mirror(drawn, key, id),
          .arm = candidate ? Arm::kCandidate : Arm::kStable,
          .segment = tally_.segment(),
          .session = drawn.session,
          .candidate = candidate ? document_->revision : std::string()};
}

// Of each request by itself, in sticky mode, too: a share of few sessions would be none of the requests.
bool Split::falls_to_mirror(const Draw& drawn, std::string_view key, std::string_view id) const {
  if (!document_->mirror || expired()) return false;
  return front::falls_to_mirror(key == id ? drawn : draw(document_->salt, id), document_->mirror->hundredths);
}

std::optional<HopClient::Sent> Split::hand_over(Placement& placement, HopRequest request) {
  // The pods are another candidate's if that has changed while the body came.
  const bool same = placement.candidate == document_->revision;
  auto sent = same ? client_.send(std::move(request)) : std::unexpected(Unsplit::kNoPeer);
  if (sent) {
    placement.pod = sent->pod_uid;
    return *std::move(sent);
  }
  if (!placement.asked) tally_.unsplit(placement.segment, sent.error());
  placement.at_peer = false;
  placement.arm.reset();
  return std::nullopt;
}

Timers::Clock::time_point Split::hop_deadline(Timers::Clock::time_point request_deadline) const {
  const auto now = timers_.now();
  const auto timeout = document_ ? document_->hop_timeout : SplitDocument().hop_timeout;
  return std::min(now + std::chrono::duration_cast<Timers::Clock::duration>(timeout),
                  now + (request_deadline - now) / 2);
}

void Split::count(const Placement& placement, Verdict verdict, std::chrono::duration<double> took) {
  if (!placement.arm) return;
  tally_.count({.segment = placement.segment,
                .arm = *placement.arm,
                .verdict = verdict,
                .pod = placement.pod.empty() ? std::string_view(settings_.pod_uid) : placement.pod,
                .session = placement.session,
                .took = took,
                .now = timers_.wall()});
}

nlohmann::json Split::to_json() const {
  if (!document_) return nullptr;
  return {{"id", document_->id},
          {"epoch", epoch_},
          {"weight", document_->hundredths / 100.0},
          {"weightInForce", weight()},
          {"candidate", document_->revision},
          {"appliedAt", FormatTime(applied_at_)},
          {"expiresAt", FormatTime(document_->expires_at)},
          {"expired", expired()},
          {"callers", document_->callers.size()},
          {"peers", client_.to_json()},
          {"latencyBounds", Tally::latency_bounds()},
          {"segments", tally_.to_json(settings_.revision)}};
}

}  // namespace pilotlight::front
