// A sidecar's status document, as the operator reads it: nothing of it is larger or stranger than a status
// may hold. And the API server's objects, which are trusted more: there is a value or an error.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

#include "common/fuzz/fuzz.h"
#include "operator/control/decode.h"

namespace pilotlight::fuzz {
namespace {

constexpr std::size_t kMostText = 1100;
constexpr std::size_t kMostProof = 17 * 1024;

void check_text(const std::string& text) {
  std::string one_line = text;
  std::ranges::replace(one_line, '\n', ' ');
  require(text.empty() || presentable(one_line, kMostText), "a text can be shown");
}

constexpr std::int64_t kMostCount = 1'000'000'000'000;

void check_events(const api::CountedEvents& events) {
  require(0 <= events.bad && events.bad <= events.requests && events.requests <= kMostCount,
          "what is bad is some of all");
  require(events.at.size() <= 64, "there are not too many runs");
  for (const auto& [first, in_a_row] : events.at) {
    require(0 <= first && first <= kMostCount && 0 <= in_a_row && in_a_row <= kMostCount,
            "a run can be added up");
  }
}

void check_side(const api::SideCounts& side, std::size_t bounds) {
  require(0 <= side.bad && side.bad <= side.requests && side.requests <= kMostCount,
          "what is bad is some of all");
  require(0 <= side.bad_sessions && side.bad_sessions <= side.sessions && side.sessions <= kMostCount,
          "bad sessions are some of all");
  require(side.sessions_one_in > 0 || side.sessions == 0, "a sample has a size");
  require(side.latency.empty() || side.latency.size() == bounds + 1, "each bucket has its bound");
  for (const std::int64_t count : side.latency)
    require(0 <= count && count <= kMostCount, "a bucket is a count");
  require(side.pods.size() <= 256, "there are not too many pods");
  for (const auto& pod : side.pods) {
    check_text(pod.pod_uid);
    check_events(pod.errors);
    require(pod.slow.empty() || pod.slow.size() == 3, "a counter of slowness is known by its place");
    for (const auto& events : pod.slow) check_events(events);
  }
}

void check_split(const api::Split& split) {
  check_text(split.id);
  check_text(split.candidate);
  for (const double weight : {split.weight, split.weight_in_force}) {
    require(0 <= weight && weight <= 100, "a weight is a share");
  }
  require(split.latency_bounds.size() <= 64 && std::ranges::is_sorted(split.latency_bounds), "bounds ascend");
  require(split.segments.size() <= 8, "there are not too many segments");
  for (const auto& segment : split.segments) {
    check_text(segment.label);
    check_text(segment.candidate);
    require(0 <= segment.weight && segment.weight <= 100, "a weight is a share");
    check_side(segment.stable_side, split.latency_bounds.size());
    check_side(segment.candidate_side, split.latency_bounds.size());
  }
}

void check_objects(std::string_view input) {
  const kube::JsonBuffer buffer{std::string(input)};
  const auto look = [&](auto decode) {
    const auto decoded = decode(buffer.view());
    if (!decoded) require(presentable(decoded.error(), 4096), "an error can be shown");
  };
  look(control::DecodeConfigMap);
  look(control::DecodeReplicaSet);
  look(control::DecodePod);
  look(control::DecodeService);
  look(control::DecodeDisruptionBudget);
  look(control::DecodeEndpointSlice);
  std::ignore = control::DecodeModelDeployment(buffer.view());
}

}  // namespace

void run(std::string_view input) {
  check_objects(input);
  const auto report = control::DecodeReport(std::string(input));
  if (!report) return require(presentable(report.error(), 256), "an error can be shown");
  require(nlohmann::json::accept(input) || input.starts_with("\xef\xbb\xbf"), "what is accepted is JSON");
  for (const auto* text : {&report->pod_uid, &report->revision, &report->phase, &report->digest}) {
    check_text(*text);
  }
  for (const auto& failure : {report->failure, report->recheck_failure}) {
    if (!failure) continue;
    for (const auto* text :
         {&failure->klass, &failure->reason, &failure->phase, &failure->message, &failure->remedy}) {
      check_text(*text);
    }
  }
  require(report->last_epoch >= 0 && report->last_epoch < std::numeric_limits<std::int64_t>::max(),
          "there is an epoch after the last one");
  require(report->hop_certificate.empty() || report->hop_certificate.size() == 71, "a fingerprint is one");
  require(report->order_error.empty(), "a pod cannot say what the operator has to say");
  check_split(report->split);
  require(report->proof.is_null() || report->proof.is_object(), "a proof is an object");
  require(report->proof.dump().size() <= kMostProof, "a proof is small enough for a status");
  // The copy in the status is read back as it was.
  const nlohmann::json document = {{"proof", report->proof}};
  const auto again = control::DecodeReport(document.dump());
  require(again.has_value() && again->proof == report->proof, "a proof is read as it was written");
}

std::vector<std::string> seeds() {
  const std::string start = R"({"apiVersion":"sidecar.pilotlight.dev/v1alpha1",)";
  return {
      R"({"metadata":{"name":"a","labels":{"kubernetes.io/service-name":"b"},"ownerReferences":[{"controller":true,"uid":"c","name":"d"}],"creationTimestamp":"2026-11-23T21:40:00Z"},"spec":{"replicas":1,"ports":[{"port":80,"targetPort":"http"}],"selector":{"a":"b","matchLabels":{}},"maxUnavailable":1,"template":{"metadata":{"labels":{}}},"model":{"uri":"https://a/b"},"nodeName":"n"},"status":{"podIP":"1.2.3.4","conditions":[{"type":"Ready","status":"True"},{"type":"PodScheduled","status":"False","message":"m"}],"containerStatuses":[{"name":"sidecar","restartCount":1,"state":{"running":{"startedAt":"2026-11-23T21:40:00Z"}},"lastState":{"terminated":{"exitCode":1}}}]},"endpoints":[{"conditions":{"ready":true},"targetRef":{"uid":"u"}}]})",
      start +
          R"("podUID":"u","revision":"r","phase":"Ready","ready":true,"final":false,"digest":"sha256:9f","bytesFetched":12,"bytesTotal":12,"attempt":1,"proof":{"level":"Answers","format":"TorchScript","digest":"sha256:9f","cases":3,"tolerance":{"absolute":1e-4,"source":""},"worstError":{"index":[3,7],"expected":null,"error":1e-7},"warmup":[{"batchSize":1,"firstMs":12.1}],"warnings":["a",""]}})",
      start +
          R"("phase":"Failed","failure":{"class":"Revision","reason":"GoldenMismatch","phase":"Checking","message":"a\nb\u009b\u007f","remedy":"c"},"recheck":{"failure":{"reason":"a\nb"}}})",
      start + R"("revision":"r","lastEpoch":9,"hop":{"certificate":"sha256:)" + std::string(64, 'a') +
          R"("},"split":{"id":"s","weight":12.5,"weightInForce":10,"candidate":"c","expiresAt":"2026-11-26T02:10:00Z","latencyBounds":[0.5,1],"segments":[{"label":"l","weight":12.5,"candidate":"c","revisions":{"r":{"requests":7,"bad":{"error":1,"hopFailure":1},"latency":[1,2,3],"sessions":{"counted":3,"bad":1,"oneIn":4},"counted":{"p":{"errors":{"requests":7,"bad":2,"at":[[1795658400,1],[1795658407,2]]},"slow":[{"requests":7,"bad":2,"at":[]},{"requests":7,"bad":1},{"requests":7,"bad":0}]}}},"c":{"requests":1,"bad":{"error":0,"hopFailure":0}}}}]}})",
      start + R"("proof":{"level":")" + std::string(20000, 'x') + R"("}})",
      start + R"("phase":")" + std::string(1030, 'x') + "\xc3\xa9" + R"("})",
      start + R"("proof":{"cases":18446744073709551615,"warmup":)" + std::string(500, '[') +
          std::string(500, ']') + "}}"};
}

}  // namespace pilotlight::fuzz
