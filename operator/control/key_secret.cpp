#include "operator/control/key_secret.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/log/log.h"
#include "common/text/base64.h"
#include "common/text/printable.h"
#include "common/time/clock.h"
#include "operator/kube/client.h"
#include "operator/kube/resource.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kBetweenTries{2};
constexpr int kTries = 15;
// One call that hangs must not take them all.
constexpr std::chrono::seconds kPatience{5};
// As many as a sidecar reads.
constexpr std::size_t kMostKeys = 16;

std::string Named(const kube::Key& secret) {
  return "Secret " + secret.ns + "/" + secret.name;
}

std::optional<std::string> Entry(const json& data, const std::string& name) {
  const auto found = data.find(name);
  if (found == data.end() || !found->is_string()) return std::nullopt;
  return DecodeBase64(found->get_ref<const std::string&>());
}

// What the Secret's JSON holds. The error says what is wrong with it, as the end of a sentence.
std::expected<OperatorKeys, std::string> Read(const std::string& body) {
  const json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const json data = document.is_object() ? document.value("data", json::object()) : json::object();
  const auto pem = Entry(data, kSigningKey);
  if (!pem) return std::unexpected(std::string("has no entry ") + kSigningKey);
  auto key = OperatorKey::Parse(*pem);
  if (!key) return std::unexpected(std::string("has an entry ") + kSigningKey + " that " + key.error());
  OperatorKeys keys{.signing = nullptr, .published = {{kSigningKey, key->PublicPem()}}};
  keys.signing = std::make_shared<const OperatorKey>(*std::move(key));
  for (const auto& [name, value] : data.items()) {
    if (name == kSigningKey || !name.ends_with(".pem") || keys.published.size() == kMostKeys) continue;
    const auto text = Entry(data, name);
    if (auto half = PublicHalf(text.value_or("")); half) {
      keys.published.emplace(name, *std::move(half));
    } else {
      log::Warn("An entry of the operator's Secret is passed over",
                {{"entry", Printable(name, 253)}, {"why", half.error()}});
    }
  }
  return keys;
}

kube::Result<std::string> Make(kube::Client& client, const kube::Key& secret, const std::stop_token& stop) {
  const auto key = OperatorKey::Make();
  if (!key) return std::unexpected(kube::Error{.code = kube::ErrorCode::Decode, .message = key.error()});
  const json body = {
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"metadata", {{"name", secret.name}, {"labels", {{"app.kubernetes.io/managed-by", "pilotlight"}}}}},
      {"type", "Opaque"},  // as `kubectl create secret generic` makes it: no other type is for such keys
      {"data", {{kSigningKey, EncodeBase64(key->PrivatePem())}}}};
  return client.Create(kube::Secrets(), secret.ns, body.dump(), stop).transform([&](const kube::Written&) {
    return body.dump();
  });
}

// The Secret's JSON, whoever has made it.
kube::Result<std::string> GetOrMake(kube::Client& client, const kube::Key& secret,
                                    const std::stop_token& stop) {
  const auto get = [&] {
    return client.Get(kube::Secrets(), secret, stop).transform([](kube::Written found) {
      return std::move(found.body);
    });
  };
  auto found = get();
  if (found || found.error().code != kube::ErrorCode::NotFound) return found;
  auto made = Make(client, secret, stop);
  if (made) {
    log::Info("Made a key to sign calls to sidecars with", {{"secret", Named(secret)}});
  } else if (made.error().code == kube::ErrorCode::AlreadyExists) {
    return get();
  }
  return made;
}

OperatorKeys Without(const std::string& why, std::string_view remedy) {
  log::Error("There is no key to sign calls to sidecars with, so no traffic can be split",
             {{"why", why}, {"remedy", remedy}});
  return {};
}

}  // namespace

OperatorKeys ObtainKeys(kube::Client& client, const kube::Key& secret, Clock& clock,
                        const std::stop_token& stop) {
  kube::Client patient = client.WithDeadline(kPatience);
  kube::Result<std::string> body;
  for (int tried = 1; !(body = GetOrMake(patient, secret, stop)); ++tried) {
    const std::string why = kube::Describe(body.error());
    if (tried == kTries) {
      return Without(Named(secret) + " can be neither read nor made: " + why,
                     "See what the operator may do in its own namespace (docs/install.md), then restart it");
    }
    log::Warn("The Secret with the operator's key cannot be had, and is asked for again",
              {{"secret", Named(secret)}, {"error", why}});
    if (!clock.Sleep(kBetweenTries, stop)) return {};
  }
  auto keys = Read(*body);
  if (keys) {
    log::Info("Calls to sidecars are signed", {{"keyId", keys->signing->Id()}});
    return *std::move(keys);
  }
  return Without(
      Named(secret) + " " + keys.error(),
      "Put an Ed25519 private key there (openssl genpkey -algorithm ed25519), or delete the Secret, for a "
      "new one to be made; then restart the operator");
}

}  // namespace pilotlight::control
