#include "sidecar/artifact/sha256.h"

#include <openssl/evp.h>

#include <array>
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
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context(context_.get()), digest.data(), &size);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += kHex[digest[i] >> 4];
    text += kHex[digest[i] & 15];
  }
  return text;
}

}  // namespace pilotlight::artifact
