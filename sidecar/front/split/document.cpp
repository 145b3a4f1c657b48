#include "sidecar/front/split/document.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/http/message.h"
#include "common/text/printable.h"
#include "common/time/rfc3339.h"
#include "sidecar/front/split/peer_address.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;

constexpr std::size_t kMostText = 128;
constexpr double kMostHopSeconds = 300;
constexpr double kLeastProbeSeconds = 0.1;
constexpr double kMostProbeSeconds = 3600;

struct Invalid {
  std::string what;
};

[[noreturn]] void refuse(std::string_view field, std::string_view what) {
  throw Invalid{std::format("{} {}", field, what)};
}

const json* find(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool flag(const json& object, const char* name, std::optional<bool> otherwise) {
  const auto* value = find(object, name);
  if (value == nullptr && otherwise) return *otherwise;
  if (value == nullptr || !value->is_boolean()) refuse(name, "is not true or false");
  return value->get<bool>();
}

// Short, and fit for logs, labels and header fields.
std::string text(const json& object, const char* name, std::string_view field) {
  const auto* value = find(object, name);
  if (value == nullptr || !value->is_string()) refuse(field, "is not a text");
  auto result = value->get<std::string>();
  const bool plain = std::ranges::all_of(result, [](char c) { return c > ' ' && c <= '~' && c != '"'; });
  if (result.empty() || result.size() > kMostText || !plain) {
    refuse(field, std::format("is not 1 to {} printable characters without spaces", kMostText));
  }
  return result;
}

// The operator's own, which is only given back. Empty if there is none.
std::string word(const json& object, const char* name) {
  const auto* value = find(object, name);
  if (value == nullptr) return {};
  if (!value->is_string() || value->get_ref<const std::string&>().size() > kMostText) {
    refuse(name, std::format("is not a text of at most {} bytes", kMostText));
  }
  return value->get<std::string>();
}

const json::array_t& list(const json& object, const char* name, std::size_t most) {
  static const json::array_t kNone;
  const auto* value = find(object, name);
  if (value == nullptr) return kNone;
  if (!value->is_array()) refuse(name, "is not a list");
  if (value->size() > most) refuse(name, std::format("has {} entries; at most {}", value->size(), most));
  return value->get_ref<const json::array_t&>();
}

unsigned hundredths(const json& object, const char* name, std::string_view field) {
  const auto* value = find(object, name);
  const double percent = value != nullptr && value->is_number() ? value->get<double>() : -1;
  const double scaled = percent * 100;
  if (!(percent >= 0 && percent <= 100) || std::abs(scaled - std::round(scaled)) > 1e-6) {
    refuse(field, "is not a number from 0 to 100 with at most two decimals");
  }
  return static_cast<unsigned>(std::lround(scaled));
}

Fingerprint fingerprint(const json& value, const std::string& field) {
  const auto parsed =
      value.is_string() ? parse_fingerprint(value.get_ref<const std::string&>()) : std::nullopt;
  if (!parsed) refuse(field, "is not sha256:<64 hex digits>");
  return *parsed;
}

void read_peer(const json& entry, const std::string& field, std::string_view own, bool loopback,
               SplitDocument& split) {
  if (!entry.is_object()) refuse(field, "is not an object");
  const auto revision = text(entry, "revision", field + ".revision");
  if (revision == own) refuse(field + ".revision", "is this pod's own; peers are of the candidate");
  if (!split.revision.empty() && revision != split.revision) {
    refuse(field + ".revision", "is not that of the other peers; there is one candidate");
  }
  const auto address = parse_peer_address(text(entry, "ip", field + ".ip"), loopback);
  if (!address) refuse(field + ".ip", address.error());
  const auto* certificate = find(entry, "certificate");
  if (certificate == nullptr) refuse(field + ".certificate", "is missing");
  split.revision = revision;
  split.peers.push_back({.pod_uid = text(entry, "podUID", field + ".podUID"),
                         .ip = *address,
                         .certificate = fingerprint(*certificate, field + ".certificate")});
}

void check_peers_differ(const SplitDocument& split) {
  std::vector<std::string_view> uids;
  for (const auto& peer : split.peers) uids.push_back(peer.pod_uid);
  std::ranges::sort(uids);
  if (const auto twice = std::ranges::adjacent_find(uids); twice != uids.end()) {
    refuse("peers", std::format("has the pod {} twice", *twice));
  }
}

void read_how(const json& body, SplitDocument& split) {
  if (const auto* sticky = find(body, "sticky"); sticky != nullptr) {
    if (!sticky->is_object()) refuse("sticky", "is not an object");
    split.sticky_header = text(*sticky, "header", "sticky.header");
    if (split.sticky_header.size() >= 13 &&
        http::same_name(std::string_view(split.sticky_header).substr(0, 13), "x-pilotlight-")) {
      refuse("sticky.header", "is one of those that clients may not set");
    }
  }
  if (const auto* fallback = find(body, "fallback"); fallback != nullptr) {
    if (*fallback != "Local" && *fallback != "Off") refuse("fallback", "is not Local or Off");
    split.fallback = *fallback == "Local";
  }
  if (const auto* hold = find(body, "holdBytes"); hold != nullptr) {
    if (!hold->is_number_unsigned() || hold->get<std::uint64_t>() > kMostHoldBytes) {
      refuse("holdBytes", std::format("is not a number of bytes up to {}", kMostHoldBytes));
    }
    split.hold_bytes = hold->get<std::uint64_t>();
  }
  if (const auto* timeout = find(body, "hopTimeoutSeconds"); timeout != nullptr) {
    const double seconds = timeout->is_number() ? timeout->get<double>() : -1;
    if (!(seconds > 0 && seconds <= kMostHopSeconds)) {
      refuse("hopTimeoutSeconds",
             std::format("is not a number of seconds above 0, up to {}", kMostHopSeconds));
    }
    split.hop_timeout = std::chrono::duration<double>(seconds);
  }
}

void read_counting(const json& body, SplitDocument& split) {
  split.id = word(body, "id");
  split.segment = word(body, "segment");
  if (const auto* threshold = find(body, "latencyThresholdSeconds"); threshold != nullptr) {
    const double seconds = threshold->is_number() ? threshold->get<double>() : 0;
    if (!(seconds > 0)) refuse("latencyThresholdSeconds", "is not a number of seconds above 0");
    split.latency_threshold = std::chrono::duration<double>(seconds);
  }
}

double tolerance(const json& mirror, const char* name, double otherwise) {
  const auto* value = find(mirror, name);
  if (value == nullptr) return otherwise;
  const double result = value->is_number() ? value->get<double>() : -1;
  if (!(result >= 0)) refuse(std::format("mirror.{}", name), "is not a number from 0");
  return result;
}

void read_mirror(const json& body, SplitDocument& split) {
  const auto* mirror = find(body, "mirror");
  if (mirror == nullptr) return;
  if (!mirror->is_object()) refuse("mirror", "is not an object");
  if (!split.fallback) refuse("mirror", "needs the fallback Local: without it no request may run twice");
  const Tolerance defaults;
  split.mirror = {.hundredths = hundredths(*mirror, "percent", "mirror.percent"),
                  .tolerance = {.absolute = tolerance(*mirror, "absoluteTolerance", defaults.absolute),
                                .relative = tolerance(*mirror, "relativeTolerance", defaults.relative)}};
}

SplitDocument read(const json& body, std::string_view own, bool loopback) {
  if (!body.is_object()) refuse("the body", "is not an object");
  SplitDocument split;
  split.hundredths = hundredths(body, "weight", "weight");
  split.salt = text(body, "salt", "salt");
  read_how(body, split);
  read_counting(body, split);
  read_mirror(body, split);
  split.allow_revision_header = flag(body, "allowRevisionHeader", false);
  split.stable_is_full = flag(body, "stableIsFull", std::nullopt);
  const auto* expires = find(body, "expiresAt");
  const auto time = expires != nullptr && expires->is_string()
                        ? ParseTime(expires->get_ref<const std::string&>())
                        : std::nullopt;
  if (!time) refuse("expiresAt", "is not an RFC 3339 time");
  split.expires_at = *time;
  const auto& peers = list(body, "peers", kMostPeers);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    read_peer(peers[i], std::format("peers[{}]", i), own, loopback, split);
  }
  check_peers_differ(split);
  if (const auto* probe = find(body, "probeSeconds"); probe != nullptr) {
    const double seconds = probe->is_number() ? probe->get<double>() : -1;
    if (!(seconds >= kLeastProbeSeconds && seconds <= kMostProbeSeconds)) {
      refuse("probeSeconds",
             std::format("is not a number of seconds from {} to {}", kLeastProbeSeconds, kMostProbeSeconds));
    }
    split.probe_every = std::chrono::duration<double>(seconds);
  }
  const auto& callers = list(body, "callers", kMostCallers);
  for (std::size_t i = 0; i < callers.size(); ++i) {
    split.callers.push_back(fingerprint(callers[i], std::format("callers[{}]", i)));
  }
  std::ranges::sort(split.callers);
  return split;
}

}  // namespace

std::expected<SplitDocument, std::string> parse_split(const json& body, std::string_view revision,
                                                      bool loopback) try {
  return read(body, revision, loopback);
} catch (const Invalid& invalid) {
  return std::unexpected(invalid.what);
}

}  // namespace pilotlight::front
