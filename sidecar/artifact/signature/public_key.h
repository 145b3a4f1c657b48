#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace pilotlight::signature {

// A public key that signatures are checked with: Ed25519, or ECDSA on the curve P-256. Cheap to copy. Never
// changes, so any thread may use it.
class PublicKey {
 public:
  // Of one SubjectPublicKeyInfo in PEM (RFC 7468). The error says what is wrong with it and what is taken, as
  // the end of a sentence, and repeats nothing of it: it may be a private key.
  static std::expected<PublicKey, std::string> parse(std::string_view pem);

  // "sha256:…" of its SubjectPublicKeyInfo in DER.
  const std::string& id() const { return id_; }

  // Whether `signature` is its owner's, of `message`: by Ed25519 (RFC 8032), or by ECDSA with SHA-256, in DER
  // (FIPS 186-5, RFC 3279). False for anything malformed.
  bool verify(std::string_view message, std::string_view signature) const;

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, std::string id) : key_(std::move(key)), id_(std::move(id)) {}

  std::shared_ptr<evp_pkey_st> key_;
  std::string id_;
};

}  // namespace pilotlight::signature
