// The bodies of signed calls: from anybody, and from whoever has the key but not our release.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/fuzz/fuzz.h"
#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/front/split/document.h"
#include "sidecar/front/split/signed_call.h"

namespace pilotlight::fuzz {
namespace {

using nlohmann::json;
using signature::testing::Signer;

constexpr std::size_t kMostMessage = 2048;
const front::Identity kPod{.name = "m", .namespace_ = "n", .revision = "r1", .pod_uid = "u1"};
const auto kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 26);
// The only payload that the key has signed but for those of the fuzzer.
const std::string kPayload =
    R"({"call":"PUT /split","podUID":"u1","revision":"r1","epoch":7,"issuedAt":"2026-11-26T00:00:00Z",)"
    R"("expiresAt":"2026-11-26T00:05:00Z","body":{"weight":5}})";

const Signer& signer() {
  static const Signer always = Signer::same();
  return always;
}

std::expected<front::SignedCall, front::CallRefusal> read(std::string_view envelope) {
  static const std::vector<signature::PublicKey> keys = {signer().public_key()};
  return front::read_signed_call(envelope, keys, "PUT /split", kPod, kNow);
}

void check(const std::expected<front::SignedCall, front::CallRefusal>& call) {
  if (call) {
    require(call->epoch > 0 && call->body.is_object() && call->digest.size() == 64, "a call is whole");
    return;
  }
  const auto status = call.error().status;
  require(status == 400 || status == 401 || status == 403, "a refusal is the caller's fault");
  require(presentable(call.error().message, kMostMessage), "a refusal can be shown");
}

void check_split(std::string_view input) {
  const auto body = json::parse(input, nullptr, false);
  const auto split = front::parse_split(body, "r1", false);
  if (!split) return require(presentable(split.error(), kMostMessage), "a refusal can be shown");
  require(split->hundredths <= 10'000 && split->hold_bytes <= front::kMostHoldBytes, "numbers have bounds");
  require(split->hop_timeout.count() > 0, "a hop ends");
  if (split->mirror) {
    require(split->fallback && split->mirror->hundredths <= 10'000, "a mirror has bounds");
    require(split->mirror->tolerance.absolute >= 0 && split->mirror->tolerance.relative >= 0,
            "a tolerance allows something");
  }
  require(split->latency_threshold.count() >= 0, "a threshold is a time");
  require(split->id.size() <= 128 && split->segment.size() <= 128, "what is given back is short");
  require(split->peers.size() <= front::kMostPeers && split->callers.size() <= front::kMostCallers,
          "lists have bounds");
  require(split->revision != "r1" && split->revision.empty() == split->peers.empty(),
          "peers are of one revision, and not of ours");
  for (const auto& peer : split->peers) {
    require(!peer.ip.is_loopback() && !peer.ip.is_multicast() && !peer.ip.is_unspecified(),
            "a peer is another pod");
  }
  require(std::ranges::is_sorted(split->callers), "callers can be looked up");
}

}  // namespace

void run(std::string_view input) {
  const auto as_it_is = read(input);
  check(as_it_is);
  if (as_it_is) require(as_it_is->body == json{{"weight", 5}}, "what was not signed is not obeyed");
  check(read(signature::testing::sign_payload(signer(), input, front::kCallType)));
  check_split(input);
}

std::vector<std::string> seeds() {
  return {
      kPayload,
      signature::testing::sign_payload(signer(), kPayload, front::kCallType),
      R"({"weight":5.25,"salt":"s","sticky":{"header":"x-session"},"fallback":"Off","holdBytes":4096,)"
      R"("hopTimeoutSeconds":0.5,"allowRevisionHeader":true,"stableIsFull":true,)"
      R"("expiresAt":"2026-11-26T00:05:00Z","peers":[{"podUID":"p","ip":"10.1.2.3","revision":"r2",)"
      R"("certificate":"sha256:)" +
          std::string(64, 'a') + R"("}],"callers":["sha256:)" + std::string(64, 'b') + R"("]})",
      R"({"weight":5,"salt":"s","id":"a/1","segment":"2","latencyThresholdSeconds":0.02,"stableIsFull":true,)"
      R"("mirror":{"percent":20,"absoluteTolerance":1e-3,"relativeTolerance":0},)"
      R"("expiresAt":"2026-11-26T00:05:00Z"})",
      R"({"weight":0,"salt":"s","stableIsFull":false,"expiresAt":"2026-11-26T00:05:00+01:00",)"
      R"("peers":[{"podUID":"p","ip":"::ffff:127.0.0.1","revision":"r2"}]})",
      R"({"weight":)" + std::string(40, '[') + std::string(40, ']') + "}"};
}

}  // namespace pilotlight::fuzz
