#include "sidecar/artifact/signature/public_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <format>

#include "sidecar/artifact/sha256.h"

namespace pilotlight::signature {
namespace {

constexpr std::string_view kTaken = "; taken are Ed25519 and ECDSA P-256";
constexpr std::size_t kMostPem = 4096;

std::unexpected<std::string> not_key(std::string_view why) {
  ERR_clear_error();  // what OpenSSL found is said in our own words
  return std::unexpected(std::string(why));
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// OpenSSL's name of the key's curve; empty where it has none.
std::string curve(const EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return {};
  return {name.data(), size};
}

// What is wrong with a key of a kind that is not taken; empty of one that is.
std::string fault(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return {};
    case EVP_PKEY_EC: {
      const auto name = curve(key);
      if (name == SN_X9_62_prime256v1) return {};
      return std::format("is an ECDSA key on {}{}", name.empty() ? "a curve without a name" : name, kTaken);
    }
    default: {
      const char* name = EVP_PKEY_get0_type_name(key);
      return std::format("is a key for {}{}", name == nullptr ? "something unknown" : name, kTaken);
    }
  }
}

// The SubjectPublicKeyInfo in DER.
std::string der_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owned(
      der, [](unsigned char* bytes) { OPENSSL_free(bytes); });
  return {reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
}

}  // namespace

std::expected<PublicKey, std::string> PublicKey::parse(std::string_view pem) {
  if (blank(pem)) return not_key("is empty");
  if (pem.size() > kMostPem) return not_key(std::format("has more than {} characters", kMostPem));
  if (pem.contains("PRIVATE KEY")) {
    return not_key("is a private key, which belongs to nobody but the signer; give the public one");
  }
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!key) return not_key("is not a public key in PEM (-----BEGIN PUBLIC KEY-----)");
  std::array<char, kMostPem> rest{};
  const int left = BIO_read(text.get(), rest.data(), rest.size());
  if (left > 0 && !blank({rest.data(), static_cast<std::size_t>(left)})) {
    return not_key("holds something behind the first key; give each key by itself");
  }
  if (const auto why = fault(key.get()); !why.empty()) return not_key(why);
  artifact::Sha256 sha;
  const auto der = der_of(key.get());
  sha.update(std::as_bytes(std::span(der)));
  return PublicKey(std::move(key), "sha256:" + sha.hex());
}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  // Ed25519 brings its own hash.
  const EVP_MD* hash = EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  const bool holds =
      context && EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(message.data()),
                       message.size()) == 1;
  ERR_clear_error();
  return holds;
}

}  // namespace pilotlight::signature
