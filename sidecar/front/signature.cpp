#include "sidecar/front/signature.h"

#include <format>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sidecar/artifact/signature/verify.h"
#include "sidecar/artifact/uri.h"

namespace pilotlight::front {

using wire::Failure;
using wire::FailureClass;

std::expected<SignatureDemand, std::string> demand_from_files(std::string_view model,
                                                              std::span<const std::filesystem::path> keys,
                                                              std::string_view signature) {
  SignatureDemand demand;
  demand.uri = signature.empty() ? artifact::beside(model, ".sig") : std::string(signature);
  for (const auto& path : keys) {
    std::ifstream file(path);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    if (!file) return std::unexpected(std::format("the public key '{}' cannot be read", path.string()));
    auto key = signature::PublicKey::parse(text.view());
    if (!key) return std::unexpected(std::format("'{}' {}", path.string(), key.error()));
    demand.keys.push_back(*std::move(key));
  }
  return demand;
}

std::optional<Failure> unsigned_machine_code(std::optional<wire::ModelFormat> format,
                                             const std::optional<SignatureDemand>& demand) {
  if (format != wire::ModelFormat::kAotInductor) return std::nullopt;
  if (demand && demand->required && !demand->keys.empty()) return std::nullopt;
  return Failure{.failure_class = FailureClass::kRevision,
                 .reason = "SignatureMissing",
                 .phase = "Starting",
                 .message = "model.format AOTInductor is machine code, and no signature is required of it",
                 .remedy =
                     "Sign the model, and name the key in model.signature.publicKeys, with policy Require "
                     "(on the command line --public-key)."};
}

std::expected<nlohmann::json, Failure> judge_signature(const SignatureDemand& demand,
                                                       const artifact::Fetched& fetched) {
  const auto& file = fetched.signature.value();  // whoever demands it has had it fetched
  if (!file) return std::unexpected(file.error());
  const auto found = signature::verify(*file, fetched.digest, demand.keys);
  if (!found) {
    return std::unexpected(artifact::fetch_failure(
        FailureClass::kRevision, "SignatureInvalid",
        std::format("'{}' {}", artifact::redact(demand.uri), found.error()),
        "Sign these bytes with a key of spec.model.signature.publicKeys, or restore the model that was "
        "signed."));
  }
  nlohmann::json proof = {{"keyId", found->key_id}};
  if (!found->subject.empty()) proof["subject"] = found->subject;
  return proof;
}

}  // namespace pilotlight::front
