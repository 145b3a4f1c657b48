#include "sidecar/artifact/signature/verify.h"

#include <algorithm>
#include <format>

#include "common/text/printable.h"
#include "sidecar/artifact/signature/envelope.h"
#include "sidecar/artifact/signature/signer.h"
#include "sidecar/artifact/signature/statement.h"

namespace pilotlight::signature {
namespace {

constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";
constexpr std::size_t kMostSubject = 256;
constexpr std::size_t kMostListed = 3;

std::string digests(std::span<const Subject> subjects) {
  std::string text;
  for (const auto& each : subjects.first(std::min(subjects.size(), kMostListed))) {
    text += text.empty() ? "" : ", ";
    text += each.sha256.empty() ? "no sha256" : "sha256:" + Printable(each.sha256, 64);
    if (!each.name.empty()) text += " (" + Printable(each.name, 64) + ")";
  }
  return subjects.size() > kMostListed ? text + std::format(" and {} more", subjects.size() - kMostListed)
                                       : text;
}

}  // namespace

std::expected<Signed, std::string> verify(std::string_view envelope, std::string_view digest,
                                          std::span<const PublicKey> keys) {
  const auto parsed = parse_envelope(envelope);
  if (!parsed) return std::unexpected(parsed.error());
  const auto key = signer_of(*parsed, keys);
  if (!key) return std::unexpected(key.error());
  if (parsed->payload_type != kPayloadType) {
    return std::unexpected(std::format("signs {}, not {}", Quoted(parsed->payload_type), kPayloadType));
  }
  const auto subjects = parse_statement(parsed->payload);
  if (!subjects) return std::unexpected(subjects.error());
  const auto is_model = [&](const Subject& each) { return "sha256:" + each.sha256 == digest; };
  const auto matching = std::ranges::count_if(*subjects, is_model);
  if (matching == 0) {
    return std::unexpected(std::format("signs {}, but the model has {}", digests(*subjects), digest));
  }
  if (matching > 1)
    return std::unexpected(std::format("names {} as {} subjects, not as one", digest, matching));
  const auto& subject = *std::ranges::find_if(*subjects, is_model);
  return Signed{.key_id = (*key)->id(), .subject = Printable(subject.name, kMostSubject)};
}

}  // namespace pilotlight::signature
