#include "sidecar/artifact/sha256.h"

#include <openssl/evp.h>

#include <new>

namespace pilotlight::artifact {
namespace {
EVP_MD_CTX* context(void* opaque) {
  return static_cast<EVP_MD_CTX*>(opaque);
}
}  // namespace

void Sha256::Free::operator()(void* opaque) const {
  EVP_MD_CTX_free(context(opaque));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context(context_.get()), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context(context_.get()), bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  Digest digest{};
  EVP_DigestFinal_ex(context(context_.get()), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return hex_of(digest);
}

Digest sha256_of(std::span<const std::byte> bytes) {
  Digest digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                 EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return digest;
}

std::string hex_of(const Digest& digest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const auto each : digest) {
    const auto byte = std::to_integer<unsigned>(each);
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace pilotlight::artifact
