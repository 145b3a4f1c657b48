#include "operator/control/operator_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <format>
#include <utility>

namespace pilotlight::control {
namespace {

using Shared = std::shared_ptr<EVP_PKEY>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr std::size_t kMostPem = 4096;

std::unexpected<std::string> Refuse(std::string_view why) {
  ERR_clear_error();  // what OpenSSL found is said in our own words
  return std::unexpected(std::string(why));
}

// No question for a pass phrase at the terminal.
int NoPassPhrase(char*, int, int, void*) {
  return -1;
}

// What `read` makes of the text; null if that is no Ed25519 key.
template <typename F>
Shared Read(std::string_view pem, F read) {
  const Bio text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  Shared key(read(text.get(), nullptr, NoPassPhrase, nullptr), EVP_PKEY_free);
  return key && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_ED25519 ? key : nullptr;
}

template <typename F>
std::string Written(F write) {
  // Wiped when it is freed.
  const Bio text(BIO_new(BIO_s_secmem()), BIO_free);
  write(text.get());
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string PublicPemOf(EVP_PKEY* key) {
  return Written([key](BIO* out) { PEM_write_bio_PUBKEY(out, key); });
}

}  // namespace

std::expected<OperatorKey, std::string> OperatorKey::Make() {
  Shared key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
  if (!key) return Refuse("OpenSSL makes no Ed25519 key");
  return OperatorKey(std::move(key));
}

std::expected<OperatorKey, std::string> OperatorKey::Parse(std::string_view pem) {
  auto key = pem.size() > kMostPem ? nullptr : Read(pem, PEM_read_bio_PrivateKey);
  if (!key) return Refuse("is not an Ed25519 private key in PEM (PKCS#8, not encrypted)");
  return OperatorKey(std::move(key));
}

std::string OperatorKey::PrivatePem() const {
  return Written([this](BIO* out) {
    PEM_write_bio_PKCS8PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string OperatorKey::PublicPem() const {
  return PublicPemOf(key_.get());
}

std::string OperatorKey::Id() const {
  std::array<unsigned char, 64> der{};  // it has 44 bytes
  unsigned char* end = der.data();
  std::array<unsigned char, 32> digest{};
  const int size =
      i2d_PUBKEY(key_.get(), nullptr) <= static_cast<int>(der.size()) ? i2d_PUBKEY(key_.get(), &end) : 0;
  EVP_Digest(der.data(), static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  std::string id = "sha256:";
  for (const unsigned char byte : digest) id += std::format("{:02x}", byte);
  return id;
}

std::string OperatorKey::Sign(std::string_view message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  // With this kind of key it fails only without memory; what is then sent is refused, and told so.
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) != 1) {
    ERR_clear_error();
  }
  return signature;
}

std::expected<std::string, std::string> PublicHalf(std::string_view pem) {
  if (pem.size() <= kMostPem) {
    if (const auto key = Read(pem, PEM_read_bio_PUBKEY)) return PublicPemOf(key.get());
    if (const auto key = Read(pem, PEM_read_bio_PrivateKey)) return PublicPemOf(key.get());
  }
  return Refuse("is not an Ed25519 key in PEM");
}

}  // namespace pilotlight::control
