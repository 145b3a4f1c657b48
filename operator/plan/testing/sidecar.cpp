#include "operator/plan/testing/sidecar.h"

#include <algorithm>
#include <cmath>

#include "common/time/rfc3339.h"

namespace pilotlight::plan::testing {
namespace {

constexpr std::size_t kMostSegments = 4;

// A peer that gave no answer is left alone for a second, then for longer.
constexpr std::chrono::seconds kLongestBackoff{30};

std::string CandidateOf(const nlohmann::json& body) {
  if (!body.contains("peers") || body["peers"].empty()) return {};
  return body["peers"][0]["revision"];
}

std::int64_t Whole(double number) {
  return std::llround(std::floor(number + 1e-9));
}

}  // namespace

std::string Sidecar::Obey(const Order& order) {
  order_error_.clear();
  if (order.pod_uid != pod_uid_) return order_error_ = "it is for another pod";
  if (order.epoch < last_epoch_ || (order.epoch == last_epoch_ && order.body != body_))
    return order_error_ = "an older epoch than that of the last call";
  const auto& before = segments_;
  const auto ms = std::llround(1000 * order.body.value("latencyThresholdSeconds", 0.0));
  Segment next{.label = order.body.value("segment", ""),
               .weight = order.body["weight"].get<double>(),
               .candidate = CandidateOf(order.body),
               .threshold_ms = ms,
               .stable = {},
               .peers = {}};
  const bool same = !before.empty() && before.back().label == next.label &&
                    before.back().weight == next.weight && before.back().candidate == next.candidate &&
                    before.back().threshold_ms == ms && body_["salt"] == order.body["salt"];
  if (!same) segments_.push_back(std::move(next));
  if (segments_.size() > kMostSegments) segments_.erase(segments_.begin());
  last_epoch_ = order.epoch;
  body_ = order.body;
  weight_ = body_["weight"].get<double>();
  expires_ = std::chrono::floor<std::chrono::seconds>(*ParseTime(body_["expiresAt"].get<std::string>()));
  peers_.clear();
  for (const auto& peer : body_.value("peers", nlohmann::json::array()))
    peers_.push_back({peer["podUID"], peer["ip"], peer["revision"], peer["certificate"]});
  callers_ = body_.value("callers", std::set<std::string>());
  return {};
}

void Sidecar::Restart(std::string certificate) {
  certificate_ = std::move(certificate);
  body_ = nullptr;
  weight_ = 0;
  peers_.clear();
  callers_.clear();
  segments_.clear();
  probes_ = bad_probes_ = 0;
}

// Where the stable pods are not all there, the last weight holds.
double Sidecar::WeightInForce(api::Time now) const {
  return body_.is_null() || (now >= expires_ && body_["stableIsFull"]) ? 0 : weight_;
}

std::optional<api::Time> Sidecar::Expires() const {
  return weight_ > 0 && body_["stableIsFull"] ? std::optional(expires_) : std::nullopt;
}

bool Sidecar::Hands(const std::string& pod_uid, api::Time now) const {
  return WeightInForce(now) > 0 && std::ranges::contains(peers_, pod_uid, &Peer::pod_uid);
}

bool Sidecar::Accepts(const std::string& caller) const {
  return callers_.contains(caller);
}

void Sidecar::Serve(const Load& load, api::Time now) {
  if (segments_.empty()) return;
  Segment& segment = segments_.back();
  const auto add = [&](Arm& arm, double requests, double errors, double slow) {
    const auto before = Whole(arm.bad);
    arm.requests += requests;
    arm.bad += requests * errors;
    arm.slow += requests * (1 - errors) * slow;
    if (Whole(arm.bad) > before) arm.bad_seconds.emplace_back(now.time_since_epoch().count(), 1);
  };
  // What would be handed over, and finds nobody, falls to neither side.
  const double share = peers_.empty() ? 0 : WeightInForce(now) / 100;
  add(segment.stable, load.requests * (1 - share), load.stable_errors, load.stable_slow);
  if (share == 0) return;
  std::vector<Arm*> up;
  for (const Peer& peer : peers_) {
    Arm& arm = segment.peers[peer.pod_uid];
    if (!load.unreachable.contains(peer.pod_uid)) {
      arm.backoff = std::chrono::seconds(1);
      up.push_back(&arm);
    } else if (now >= arm.down_until) {
      add(arm, 1, 1, 0);
      arm.unanswered += 1;
      arm.down_until = now + arm.backoff;
      arm.backoff = std::min(2 * arm.backoff, kLongestBackoff);
    }
  }
  for (Arm* arm : up) {
    const double bad = arm->bad;
    add(*arm, load.requests * share / static_cast<double>(up.size()), load.candidate_errors,
        load.candidate_slow);
    if (load.unanswered) arm->unanswered += arm->bad - bad;
  }
}

bool Sidecar::Probes(api::Time now) const {
  return !body_.is_null() && body_.contains("probeSeconds") && now < expires_;
}

void Sidecar::Idle(double golden_errors, api::Time now) {
  if (!Probes(now)) return;
  const double probes = 1 / body_["probeSeconds"].get<double>();
  probes_ += probes;
  bad_probes_ += probes * golden_errors;
}

api::PodCounts Sidecar::Counts(const std::string& pod, const Arm& arm, bool threshold) {
  // After a bad event the rest of the second counts as nothing: here, the other bad events.
  const auto bad = std::ssize(arm.bad_seconds);
  const auto lost = Whole(arm.bad) - bad;
  api::PodCounts counts{
      .pod_uid = pod, .errors = {Whole(arm.requests) - lost, bad, arm.bad_seconds}, .slow = {}};
  if (threshold) counts.slow.assign(3, {Whole(arm.requests - arm.bad), Whole(arm.slow), {}});
  return counts;
}

void Sidecar::Tell(api::Report& report, api::Time now) const {
  report.hop_certificate = certificate_;
  report.last_epoch = last_epoch_;
  report.probes = Whole(probes_);
  report.bad_probes = Whole(bad_probes_);
  report.order_error = order_error_;
  if (body_.is_null()) return;
  api::Split& split = report.split;
  split.id = body_.value("id", "");
  split.weight = weight_;
  split.weight_in_force = WeightInForce(now);
  split.candidate = CandidateOf(body_);
  split.expires = expires_;
  split.latency_bounds = {0.01, 0.1, 1};
  for (const Segment& segment : segments_) {
    api::SplitSegment& out = split.segments.emplace_back(api::SplitSegment{.label = segment.label,
                                                                           .weight = segment.weight,
                                                                           .candidate = segment.candidate,
                                                                           .stable_side = {},
                                                                           .candidate_side = {}});
    const auto list = [&](std::vector<api::PodCounts>& pods, const std::string& uid, const Arm& arm) {
      // As the real one, which lists none that answered nothing.
      if (Whole(arm.requests) > 0) pods.push_back(Counts(uid, arm, segment.threshold_ms > 0));
    };
    out.stable_side.requests = Whole(segment.stable.requests);
    out.stable_side.bad = Whole(segment.stable.bad);
    out.stable_side.latency = {Whole(segment.stable.requests), 0, 0, 0};
    list(out.stable_side.pods, pod_uid_, segment.stable);
    for (const auto& [uid, arm] : segment.peers) {
      out.candidate_side.requests += Whole(arm.requests);
      out.candidate_side.bad += Whole(arm.bad);
      out.candidate_side.hop_failures += Whole(arm.unanswered);
      list(out.candidate_side.pods, uid, arm);
    }
  }
}

}  // namespace pilotlight::plan::testing
