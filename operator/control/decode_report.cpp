#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "common/text/printable.h"
#include "operator/control/decode.h"
#include "operator/control/node.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;

constexpr std::size_t kMostText = 1024;
constexpr std::size_t kMostProof = 16 * 1024;
// What is counted is added up; no sum of what honest pods say comes near the end of 64 bits.
constexpr std::int64_t kMostCount = 1'000'000'000'000;
constexpr std::int64_t kMostEpoch = std::int64_t{1} << 53;  // as much as any JSON can carry
constexpr std::size_t kMostSegments = 8;
constexpr std::size_t kMostPods = 256;  // of a side
constexpr std::size_t kMostRuns = 64;   // of a counter
constexpr std::size_t kMostBounds = 64;
constexpr std::size_t kSlowCounters = 3;
constexpr const char* kProofFields[] = {"level",     "format",     "digest", "signature", "cases",
                                        "tolerance", "worstError", "warmup", "runtime",   "graphs",
                                        "sandbox",   "exporter",   "drift",  "warnings"};

// Cut, and without what would garble a terminal.
std::string Clean(const std::string& text) {
  return Printable(text, kMostText, "\n");
}

// Without null and empty text: API servers before 1.21 do not keep them, and a status that never comes back
// as it was written would be written for ever.
void DropEmpty(json& value) {
  if (!value.is_structured()) return;
  for (json& item : value) DropEmpty(item);
  if (!value.is_object()) return;
  const auto empty = [](const json& item) {
    return item.is_null() || (item.is_string() && item.get_ref<const std::string&>().empty());
  };
  for (auto it = value.begin(); it != value.end();) it = empty(*it) ? value.erase(it) : std::next(it);
}

json Proof(Node proof) {
  if (!proof.exists()) return {};
  json out = json::object();
  for (const char* field : kProofFields) {
    if (proof[field].exists()) out[field] = proof[field].ToJson();
  }
  DropEmpty(out);
  if (out.dump(-1, ' ', false, json::error_handler_t::replace).size() <= kMostProof) return out;
  // What decisions are made by stays.
  out = {{"level", Clean(proof["level"].Text())}, {"digest", Clean(proof["digest"].Text())}};
  if (const Node by = proof["signature"]; by.exists()) {
    out["signature"] = {{"keyId", Clean(by["keyId"].Text())}, {"subject", Clean(by["subject"].Text())}};
  }
  DropEmpty(out);
  return out;
}

std::optional<api::Failure> Failure(Node in) {
  if (!in.exists()) return std::nullopt;
  return api::Failure{.klass = Clean(in["class"].Text()),
                      .reason = Clean(in["reason"].Text()),
                      .phase = Clean(in["phase"].Text()),
                      .message = Clean(in["message"].Text()),
                      .remedy = Clean(in["remedy"].Text())};
}

// Other sidecars refuse a whole call that names as a peer's what is none.
std::string Fingerprint(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  const bool good = text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
                    text.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
  return std::string(good ? text : "");
}

// Calls `visit` for the last ones of a list: these are the newest.
template <typename F>
void EachOfLast(Node list, std::size_t most, F visit) {
  std::size_t skip = list.size() - std::min(list.size(), most);
  list.Each([&](Node item) {
    if (skip > 0) {
      --skip;
    } else {
      visit(item);
    }
  });
}

// Nothing where one of them is no count.
std::optional<std::vector<std::int64_t>> Counts(Node list, std::size_t most) {
  if (list.size() > most) return std::nullopt;
  std::vector<std::int64_t> counts;
  list.Each([&](Node item) {
    if (const auto count = item.Count(kMostCount)) counts.push_back(*count);
  });
  if (counts.size() != list.size()) return std::nullopt;
  return counts;
}

// Nothing for what cannot be: the whole counter is then not to be believed.
std::optional<api::CountedEvents> Events(Node in) {
  const auto requests = in["requests"].Count(kMostCount);
  const auto bad = in["bad"].Count(kMostCount);
  if (!requests || !bad || *bad > *requests) return std::nullopt;
  api::CountedEvents out{.requests = *requests, .bad = *bad, .at = {}};
  bool good = true;
  EachOfLast(in["at"], kMostRuns, [&](Node item) {
    const auto run = Counts(item, 2);
    if (run && run->size() == 2) {
      out.at.emplace_back(run->front(), run->back());
    } else {
      good = false;
    }
  });
  if (!good) return std::nullopt;
  return out;
}

std::vector<api::CountedEvents> Slow(Node list) {
  std::vector<api::CountedEvents> out;
  if (list.size() != kSlowCounters) return out;
  list.Each([&](Node item) {
    if (auto events = Events(item)) out.push_back(*std::move(events));
  });
  // Each is known by its place.
  if (out.size() != kSlowCounters) out.clear();
  return out;
}

double Difference(Node in) {
  return std::max(in.Real().value_or(0), 0.0);
}

void ReadMirrored(Node in, std::vector<api::Mirrored>& out) {
  in.EachField([&](std::string_view pod, Node each) {
    const auto count = [&](Node number) { return number.Count(kMostCount).value_or(0); };
    api::Mirrored mirrored{.pod_uid = Clean(std::string(pod)),
                           .compared = count(each["compared"]),
                           .disagreed = count(each["disagreed"]),
                           .failed = count(each["failed"]),
                           .rows = count(each["top1"]["rows"]),
                           .rows_agreed = count(each["top1"]["agreed"]),
                           .elements = count(each["elements"]),
                           .mean_difference = Difference(each["meanDifference"]),
                           .worst_difference = Difference(each["worstDifference"])};
    const bool possible = mirrored.failed <= mirrored.disagreed && mirrored.disagreed <= mirrored.compared &&
                          mirrored.rows_agreed <= mirrored.rows;
    if (possible && out.size() < kMostPods) out.push_back(std::move(mirrored));
  });
}

void ReadSide(Node in, std::size_t bounds, api::SideCounts& out) {
  const auto requests = in["requests"].Count(kMostCount);
  const auto errors = in["bad"]["error"].Count(kMostCount);
  const auto hop_failures = in["bad"]["hopFailure"].Count(kMostCount);
  if (requests && errors && hop_failures && *errors + *hop_failures <= *requests) {
    out.requests = *requests;
    out.bad = *errors + *hop_failures;
    out.hop_failures = *hop_failures;
  }
  in["counted"].EachField([&](std::string_view pod, Node counted) {
    if (out.pods.size() == kMostPods) return;
    out.pods.push_back({.pod_uid = Clean(std::string(pod)),
                        .errors = Events(counted["errors"]).value_or(api::CountedEvents()),
                        .slow = Slow(counted["slow"]),
                        .disagreement = Events(counted["disagreement"]).value_or(api::CountedEvents())});
  });
  if (auto latency = Counts(in["latency"], kMostBounds + 1); latency && latency->size() == bounds + 1) {
    out.latency = *std::move(latency);
  }
  const Node sessions = in["sessions"];
  const auto counted = sessions["counted"].Count(kMostCount);
  const auto bad = sessions["bad"].Count(kMostCount);
  const auto one_in = sessions["oneIn"].Count(kMostCount);
  if (counted && bad && one_in && *one_in > 0 && *bad <= *counted) {
    out.sessions = *counted;
    out.bad_sessions = *bad;
    out.sessions_one_in = *one_in;
  }
}

double Percent(Node in) {
  const double value = in.Real().value_or(0);
  return value >= 0 && value <= 100 ? value : 0;
}

std::vector<double> Bounds(Node list) {
  std::vector<double> out;
  if (list.size() > kMostBounds) return out;
  list.Each([&](Node item) {
    if (const auto bound = item.Real(); bound && *bound > (out.empty() ? 0 : out.back()))
      out.push_back(*bound);
  });
  if (out.size() != list.size()) out.clear();
  return out;
}

// `stable` is the revision of the pod whose split it is.
api::Split ReadSplit(Node in, const std::string& stable) {
  api::Split out{.id = Clean(in["id"].Text()),
                 .weight = Percent(in["weight"]),
                 .weight_in_force = Percent(in["weightInForce"]),
                 .candidate = Clean(in["candidate"].Text()),
                 .expires = in["expiresAt"].Moment(),
                 .latency_bounds = Bounds(in["latencyBounds"]),
                 .segments = {}};
  EachOfLast(in["segments"], kMostSegments, [&](Node item) {
    api::SplitSegment& segment = out.segments.emplace_back();
    segment.label = Clean(item["label"].Text());
    segment.weight = Percent(item["weight"]);
    segment.candidate = Clean(item["candidate"].Text());
    const Node revisions = item["revisions"];
    ReadSide(revisions[stable], out.latency_bounds.size(), segment.stable_side);
    if (segment.candidate != stable) {
      ReadSide(revisions[segment.candidate], out.latency_bounds.size(), segment.candidate_side);
    }
    ReadMirrored(item["mirrored"], segment.mirrored);
  });
  return out;
}

}  // namespace

std::expected<api::Report, std::string> DecodeReport(std::string text) {
  const kube::JsonBuffer buffer(std::move(text));
  const auto root = Root(buffer.view());
  if (!root) return std::unexpected(root.error());
  const Node in = *root;
  api::Report out{.pod_uid = Clean(in["podUID"].Text()),
                  .revision = Clean(in["revision"].Text()),
                  .phase = Clean(in["phase"].Text()),
                  .ready = in["ready"].True(),
                  .final = in["final"].True(),
                  .digest = Clean(in["digest"].Text()),
                  .attempt = in["attempt"].Number(),
                  .bytes_fetched = in["bytesFetched"].Number(),
                  .bytes_total = in["bytesTotal"].Number(),
                  .failure = Failure(in["failure"]),
                  .proof = Proof(in["proof"]),
                  .recheck_failure = Failure(in["recheck"]["failure"]),
                  .probes = in["probes"]["requests"].Count(kMostCount).value_or(0),
                  .bad_probes = in["probes"]["bad"].Count(kMostCount).value_or(0),
                  .hop_certificate = Fingerprint(in["hop"]["certificate"].Text()),
                  .last_epoch = in["lastEpoch"].Count(kMostEpoch).value_or(0)};
  if (const Node split = in["split"]; split.exists()) out.split = ReadSplit(split, out.revision);
  return out;
}

}  // namespace pilotlight::control
