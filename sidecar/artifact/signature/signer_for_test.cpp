#include "sidecar/artifact/signature/signer_for_test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/dsse/dsse.h"

namespace pilotlight::signature::testing {
namespace {

using nlohmann::json;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

EVP_PKEY* generate(const char* kind) {
  if (std::strcmp(kind, "RSA") == 0) return EVP_RSA_gen(2048);
  if (std::strncmp(kind, "P-", 2) == 0 || std::strcmp(kind, "secp256k1") == 0) return EVP_EC_gen(kind);
  return EVP_PKEY_Q_keygen(nullptr, nullptr, kind);
}

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Signer::Signer(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {
  if (!key_) throw std::runtime_error("OpenSSL makes no such key");
}

Signer::Signer(const char* kind) : Signer(generate(kind)) {}

Signer Signer::same() {
  constexpr unsigned char kSeed[32] = {1, 2, 3};
  return Signer(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, kSeed, sizeof kSeed));
}

std::string Signer::public_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PUBKEY(bio.get(), key_.get());
  return text_of(bio);
}

std::string Signer::private_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio);
}

std::string Signer::sign(std::string_view message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  const auto* hash = EVP_PKEY_is_a(key_.get(), "ED25519") == 1 ? nullptr : EVP_sha256();
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, message.size()) != 1) {
    throw std::runtime_error("OpenSSL does not sign with this key");
  }
  std::string signature(size, '\0');
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                 message.size());
  signature.resize(size);
  return signature;
}

std::string statement(std::string_view digest, std::string_view name) {
  return json{{"_type", "https://in-toto.io/Statement/v1"},
              {"subject", {{{"name", name}, {"digest", {{"sha256", digest.substr(digest.find(':') + 1)}}}}}},
              {"predicateType", "https://pilotlight.dev/model/v1"},
              {"predicate", json::object()}}
      .dump();
}

std::string envelope(std::string_view payload, std::span<const std::string> signatures,
                     std::string_view payload_type) {
  return dsse::Envelope(payload_type, payload, signatures, "a hint");
}

std::string sign_payload(const Signer& signer, std::string_view payload, std::string_view payload_type) {
  const std::string signature = signer.sign(dsse::PreAuthenticationEncoding(payload_type, payload));
  return envelope(payload, std::span(&signature, 1), payload_type);
}

std::string sign_model(const Signer& signer, std::string_view digest) {
  return sign_payload(signer, statement(digest));
}

}  // namespace pilotlight::signature::testing
