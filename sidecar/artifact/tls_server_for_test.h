#pragma once

// An HTTPS server for tests, with a certificate authority made for the occasion.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace pilotlight::artifact {

// Answers every request with one body, on a thread of its own, one connection at a time. Its certificate is
// for "localhost".
class TlsServerForTest {
 public:
  enum class Version { kNew, kOld };  // kOld: TLS 1.1 at most

  // `redirect`: answer with that location instead. `stall_after`: send so many bytes of the body, then
  // nothing more until the client leaves.
  explicit TlsServerForTest(std::string body, Version version = Version::kNew, std::string redirect = {},
                            std::size_t stall_after = std::string::npos);
  ~TlsServerForTest();

  std::uint16_t port() const { return port_; }
  const std::string& ca() const { return ca_; }  // PEM

 private:
  void run();
  void answer(int connection);

  std::string body_;
  std::string redirect_;
  std::size_t stall_after_;
  std::string ca_;
  void* context_ = nullptr;  // SSL_CTX
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace pilotlight::artifact
