#pragma once

// A peer that does as it is told, for tests of what no front of ours would do.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/front/split/identity.h"

namespace pilotlight::front::testing {

// Listens on 127.0.0.1 with the identity's certificate, and lets every caller in. One connection at a time,
// on a thread of its own.
class TlsPeerForTest {
 public:
  // What to do with each request: the bytes to answer, in as many parts as there are; between the parts it
  // waits until proceed(). Empty: never answer. Behind the last part it waits for the next request, or, with
  // `reset`, ends the connection.
  struct Act {
    std::vector<std::string> parts;
    bool reset = false;
  };
  explicit TlsPeerForTest(std::shared_ptr<HopIdentity> identity, Act act, std::uint16_t port = 0);
  ~TlsPeerForTest();

  std::uint16_t port() const { return port_; }
  void proceed() { ++proceeded_; }
  std::atomic<int> connections = 0;  // with a handshake that was good on this side
  std::atomic<int> requests = 0;
  std::atomic<int> ended = 0;  // connections that the other side has ended
  std::string last_request() const;

  static std::string answer(unsigned status, std::string_view body, std::string_view fields = "");

 private:
  void run();
  void serve(boost::asio::ip::tcp::socket& socket);
  // False if this peer is being taken down.
  bool becomes_current(boost::asio::ip::tcp::socket* socket);

  std::shared_ptr<HopIdentity> identity_;
  Act act_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::unique_ptr<HopIdentity::Server> server_;
  std::uint16_t port_ = 0;
  std::atomic<int> proceeded_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  boost::asio::ip::tcp::socket* current_ = nullptr;  // the connection that there is
  std::string last_request_;
  std::thread thread_;
};

}  // namespace pilotlight::front::testing
