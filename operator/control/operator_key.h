#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace pilotlight::control {

// The Ed25519 key (RFC 8032) with which the operator signs what it tells sidecars. Never changes, so any
// thread may use it. The private half is in no error.
class OperatorKey {
 public:
  // A new one. The error is OpenSSL's trouble, such as a system without random numbers.
  static std::expected<OperatorKey, std::string> Make();
  // Of a private key in PEM: PKCS#8 (RFC 5958), not encrypted. The error says what is wrong, as the end of a
  // sentence.
  static std::expected<OperatorKey, std::string> Parse(std::string_view pem);

  // PKCS#8. For the Secret, and for nobody else.
  std::string PrivatePem() const;
  // SubjectPublicKeyInfo.
  std::string PublicPem() const;
  // "sha256:…" of its public half in DER, as sidecars name the keys that they know.
  std::string Id() const;
  // 64 bytes.
  std::string Sign(std::string_view message) const;

 private:
  explicit OperatorKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  std::shared_ptr<evp_pkey_st> key_;
};

// The public half of an Ed25519 key, in PEM, of either half. The error says what is wrong, as the end of a
// sentence, and repeats nothing of it. Thread-safe: no state.
std::expected<std::string, std::string> PublicHalf(std::string_view pem);

}  // namespace pilotlight::control
