#include "sidecar/front/split/tls_peer_for_test.h"

#include <sys/socket.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <format>

namespace pilotlight::front::testing {

namespace asio = boost::asio;
using asio::ip::tcp;

std::string TlsPeerForTest::answer(unsigned status, std::string_view body, std::string_view fields) {
  return std::format("HTTP/1.1 {} X\r\n{}content-length: {}\r\n\r\n{}", status, fields, body.size(), body);
}

TlsPeerForTest::TlsPeerForTest(std::shared_ptr<HopIdentity> identity, Act act, std::uint16_t port)
    : identity_(std::move(identity)),
      act_(std::move(act)),
      acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), port)),
      server_(identity_->server([](const Fingerprint&) { return true; })),
      port_(acceptor_.local_endpoint().port()) {
  thread_ = std::thread([this] { run(); });
}

TlsPeerForTest::~TlsPeerForTest() {
  stopping_ = true;
  ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
  {
    const std::scoped_lock lock(mutex_);
    if (current_ != nullptr) ::shutdown(current_->native_handle(), SHUT_RDWR);
  }
  thread_.join();
}

std::string TlsPeerForTest::last_request() const {
  const std::scoped_lock lock(mutex_);
  return last_request_;
}

void TlsPeerForTest::run() {
  while (!stopping_) {
    boost::system::error_code failed;
    tcp::socket socket(io_);
    acceptor_.accept(socket, failed);
    // One that is accepted while this peer is taken down is nobody's to shut down any more.
    if (failed || !becomes_current(&socket)) continue;
    serve(socket);
    becomes_current(nullptr);
  }
}

bool TlsPeerForTest::becomes_current(tcp::socket* socket) {
  const std::scoped_lock lock(mutex_);
  current_ = socket;
  return !stopping_;
}

void TlsPeerForTest::serve(tcp::socket& socket) {
  boost::system::error_code failed;
  asio::ssl::stream<tcp::socket&> tls(socket, server_->context());
  tls.handshake(asio::ssl::stream_base::server, failed);
  if (failed) return;
  ++connections;
  std::string in;
  while (!stopping_) {
    auto head = asio::read_until(tls, asio::dynamic_buffer(in), "\r\n\r\n", failed);
    if (failed) break;
    const auto at = in.find("content-length: ");
    const std::size_t body = at < head ? std::stoul(in.substr(at + 16)) : 0;
    while (!failed && in.size() < head + body) {
      char bytes[4096];
      const auto got = tls.read_some(asio::buffer(bytes), failed);
      in.append(bytes, got);
    }
    {
      const std::scoped_lock lock(mutex_);
      last_request_ = in.substr(0, head + body);
    }
    in.erase(0, head + body);
    ++requests;
    for (std::size_t i = 0; i < act_.parts.size(); ++i) {
      while (i > 0 && proceeded_ < static_cast<int>(i) && !stopping_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      asio::write(tls, asio::buffer(act_.parts[i]), failed);
    }
    if (act_.reset) return;
  }
  ++ended;
}

}  // namespace pilotlight::front::testing
