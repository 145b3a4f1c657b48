// Certificates and keys for new connections: read again when they are older than five minutes, because they
// rotate.
//
// Thread-safety: all members may be called from any thread.
#pragma once

#include <chrono>
#include <expected>
#include <mutex>
#include <string>

#include "operator/kube/config.h"

namespace pilotlight::kube {

struct TlsMaterial {
  std::string ca;
  std::string certificate;
  std::string key;
  bool operator==(const TlsMaterial&) const = default;
};

class TlsFiles {
 public:
  TlsFiles(PemSource ca, PemSource certificate, PemSource key);

  // The error names the file. After a first success a file that cannot be read keeps its last text.
  std::expected<TlsMaterial, std::string> Get();

 private:
  std::expected<TlsMaterial, std::string> Read() const;

  const PemSource ca_;
  const PemSource certificate_;
  const PemSource key_;
  std::mutex mutex_;
  TlsMaterial last_;
  bool read_ = false;
  std::chrono::steady_clock::time_point next_read_;
};

}  // namespace pilotlight::kube
