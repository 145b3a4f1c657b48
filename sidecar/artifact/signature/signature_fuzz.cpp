// What lies beside a model: an envelope, the statement in it, and what is made of both. And the keys of a
// spec.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/fuzz/fuzz.h"
#include "sidecar/artifact/signature/envelope.h"
#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/artifact/signature/statement.h"
#include "sidecar/artifact/signature/verify.h"

namespace pilotlight::fuzz {
namespace {

using signature::testing::Signer;

constexpr std::size_t kMostMessage = 1024;
const std::string kHex(64, 'a');

const Signer& signer() {
  static const Signer always = Signer::same();
  return always;
}

std::string statement() {
  return signature::testing::statement("sha256:" + kHex);
}

void check(const std::expected<signature::Signed, std::string>& found) {
  if (!found) return require(presentable(found.error(), kMostMessage), "a refusal can be shown");
  require(found->subject.empty() || presentable(found->subject, 260), "a subject can be shown");
}

void check_envelope(std::string_view input) {
  static const std::vector<signature::PublicKey> keys = {signer().public_key()};
  const auto found = signature::verify(input, "sha256:" + kHex, keys);
  check(found);
  const auto envelope = signature::parse_envelope(input);
  if (!envelope) return require(!found, "what is no envelope is not signed");
  require(!envelope->payload.empty(), "an envelope holds something");
  require(!envelope->signatures.empty() && envelope->signatures.size() <= signature::kMostSignatures,
          "an envelope has signatures, and not too many");
  // The seeds' is the only statement that the key has ever signed.
  if (found) require(envelope->payload == statement(), "what was not signed is not taken for signed");
}

void check_statement(std::string_view input) {
  static const std::vector<signature::PublicKey> keys = {signer().public_key()};
  if (const auto subjects = signature::parse_statement(input); subjects) {
    require(!subjects->empty(), "a statement speaks of something");
  }
  const auto found =
      signature::verify(signature::testing::sign_payload(signer(), input), "sha256:" + kHex, keys);
  check(found);
  if (found) require(signature::parse_statement(input).has_value(), "what is signed is a statement");
}

void check_key(std::string_view input) {
  const auto key = signature::PublicKey::parse(input);
  if (!key) return require(presentable(key.error(), 256), "an error can be shown");
  require(key->id().size() == 71 && key->id().starts_with("sha256:"), "a key has an id");
  require(!key->verify("", ""), "no signature is none");
}

}  // namespace

void run(std::string_view input) {
  check_envelope(input);
  check_statement(input);
  check_key(input);
}

std::vector<std::string> seeds() {
  const auto good = signature::testing::sign_payload(signer(), statement());
  auto two = nlohmann::json::parse(statement());
  two["subject"].push_back({{"name", "b"}, {"digest", {{"sha512", "aa"}}}});
  auto twice = two;
  twice["subject"].push_back(two["subject"][0]);
  return {good,
          signature::testing::envelope(statement(), std::vector<std::string>(3, "x")),
          statement(),
          two.dump(),
          twice.dump(),
          signer().public_pem(),
          "-----BEGIN PUBLIC KEY-----\n"
          "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1fG17bwBMuTbvADNM0LNAxv0go32\n"
          "mQaelfih86uAGHhx144jyYrKcsKonZ9uAGCYkiMs6sY3ezlNmSPlV8baMw==\n"
          "-----END PUBLIC KEY-----\n",
          R"({"payloadType":"","payload":"e30","signatures":[{"sig":"_-8"}]})",
          R"({"payload":)" + std::string(40, '[') + std::string(40, ']') + "}"};
}

}  // namespace pilotlight::fuzz
