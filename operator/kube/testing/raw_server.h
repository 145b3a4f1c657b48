// A server on loopback that says byte for byte what a test tells it to, in the clear or over TLS, for tests
// of the transport.
//
// Thread-safety: the handler runs on a thread of the server's for each connection, several at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace pilotlight::kube {

// A certificate that signs itself (and so is its own authority), with its key; both PEM.
struct TestCertificate {
  std::string certificate;
  std::string key;
};
// `names` as OpenSSL writes them: "DNS:name,IP:127.0.0.1".
TestCertificate MakeCertificate(const std::string& names);

class RawServer {
 public:
  class Connection {
   public:
    virtual ~Connection() = default;
    // A request's head, and as many body bytes as it announces; empty when the client has gone.
    virtual std::string ReadRequest() = 0;
    virtual bool Write(const std::string& bytes) = 0;
    // Waits until the client closes the connection, or the server ends.
    virtual void AwaitClose() = 0;
    virtual std::string server_name() const = 0;  // SNI; empty: none was sent
  };
  struct Options {
    TestCertificate tls = {};    // none: plain
    int max_tls_version = 0;     // e.g. TLS1_1_VERSION; 0: the newest
    std::string client_ca = {};  // clients must have a certificate of this authority
  };
  using Handler = std::function<void(Connection&)>;

  explicit RawServer(Handler handler) : RawServer(std::move(handler), Options{}) {}
  RawServer(Handler handler, Options options);
  ~RawServer();

  std::string url() const;
  int connections() const { return connections_; }

 private:
  struct Tls;
  void Accept(const std::stop_token& stop);

  Handler handler_;
  const Options options_;
  std::unique_ptr<Tls> tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

// "HTTP/1.1 200 OK" with that body.
std::string Answer(int status, const std::string& body, const std::string& headers = "");
std::string Chunk(const std::string& bytes);
inline const std::string kChunkedHead =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace pilotlight::kube
