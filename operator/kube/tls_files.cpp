#include "operator/kube/tls_files.h"

#include <fstream>
#include <sstream>

#include "common/log/log.h"

namespace pilotlight::kube {
namespace {

constexpr std::chrono::minutes kReadAgain{5};

std::expected<std::string, std::string> Load(const PemSource& source) {
  if (!source.data.empty() || source.file.empty()) return source.data;
  std::ifstream in(source.file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return std::unexpected(source.file + ": cannot be read, or is empty");
  return std::move(text).str();
}

}  // namespace

TlsFiles::TlsFiles(PemSource ca, PemSource certificate, PemSource key)
    : ca_(std::move(ca)), certificate_(std::move(certificate)), key_(std::move(key)) {}

std::expected<TlsMaterial, std::string> TlsFiles::Read() const {
  auto ca = Load(ca_);
  if (!ca) return std::unexpected(ca.error());
  auto certificate = Load(certificate_);
  if (!certificate) return std::unexpected(certificate.error());
  auto key = Load(key_);
  if (!key) return std::unexpected(key.error());
  return TlsMaterial{std::move(*ca), std::move(*certificate), std::move(*key)};
}

std::expected<TlsMaterial, std::string> TlsFiles::Get() {
  const std::scoped_lock lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (read_ && now < next_read_) return last_;
  auto fresh = Read();
  if (!fresh && !read_) return fresh;
  next_read_ = now + kReadAgain;
  if (fresh) {
    last_ = std::move(*fresh);
    read_ = true;
  } else {
    log::Warn("Failed to read certificates; going on with the last ones", {{"error", fresh.error()}});
  }
  return last_;
}

}  // namespace pilotlight::kube
