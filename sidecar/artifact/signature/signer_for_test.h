#pragma once

// Whoever signs a model, for tests: keys made anew by OpenSSL, and envelopes of any content.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/artifact/signature/public_key.h"

namespace pilotlight::signature::testing {

// A private key. The constructor makes one.
class Signer {
 public:
  // As OpenSSL names them: "Ed25519", "P-256", "P-384", "RSA", …
  explicit Signer(const char* kind = "Ed25519");
  // An Ed25519 key that is the same in each process.
  static Signer same();

  std::string public_pem() const;
  std::string private_pem() const;
  PublicKey public_key() const { return PublicKey::parse(public_pem()).value(); }
  // With SHA-256, where the algorithm does not bring its own.
  std::string sign(std::string_view message) const;

 private:
  explicit Signer(evp_pkey_st* key);

  std::shared_ptr<evp_pkey_st> key_;
};

// An in-toto statement v1 whose one subject has the digest ("sha256:…").
std::string statement(std::string_view digest, std::string_view name = "digits.tar");

// A DSSE envelope around the payload with these signatures, as bytes.
std::string envelope(std::string_view payload, std::span<const std::string> signatures,
                     std::string_view payload_type = "application/vnd.in-toto+json");

// The envelope that the signer makes of the payload.
std::string sign_payload(const Signer& signer, std::string_view payload,
                         std::string_view payload_type = "application/vnd.in-toto+json");

// What lies beside a model of the digest, if all is well.
std::string sign_model(const Signer& signer, std::string_view digest);

}  // namespace pilotlight::signature::testing
