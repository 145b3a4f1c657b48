#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/http/limits.h"
#include "common/http/message.h"

namespace boost::asio {
class io_context;
}
namespace boost::asio::ssl {
class context;
}

namespace pilotlight::http {

// One request and its answer to come. Lives on the listener's thread, as everything here.
class Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Exchange() = default;

  // To be called exactly once. After the client has gone it does nothing.
  virtual void respond(Response response) = 0;

  // Called once if the client closes the connection before it is answered.
  std::function<void()> on_gone;

  Request request;
  Clock::time_point started;  // when the head's first byte came
};

// What stands behind a listener. All calls come from the thread that runs the io_context.
class Service {
 public:
  virtual ~Service() = default;

  // Called with the head, before the body is read: the most bytes that the body may have, or the answer at
  // once.
  virtual std::expected<std::uint64_t, Response> admit(Request& head) = 0;

  // Called with the whole request. Answer through the exchange, now or later.
  virtual void serve(const std::shared_ptr<Exchange>& exchange) = 0;

  // Called for every answer just before it is written, those of the listener itself (400, 408, 413, …)
  // included: the place for common header fields, metrics and the access log. A request whose head was
  // unreadable is empty.
  virtual void finish(Request& /*request*/, Response& /*response*/, Exchange::Clock::time_point /*started*/) {
  }
};

// Accepts HTTP/1.1 connections and reads requests from them, strictly: whatever two parsers could read in two
// ways is refused. Asynchronous; runs on one io_context with one thread, and is to be used from that thread
// alone.
class Listener {
 public:
  // With `tls`, which must outlive it, connections speak TLS. What that asks of clients is the context's
  // business; they have Limits::head_time to come to it.
  Listener(boost::asio::io_context& io, Service& service, Limits limits,
           boost::asio::ssl::context* tls = nullptr);
  ~Listener();  // closes everything

  // As Server's address. The error names the address and the reason.
  std::expected<void, std::string> listen(std::string_view address);
  std::uint16_t port() const;

  // For draining, in this order. From now on every answer closes its connection.
  void close_after_answers();
  // When the latest connection was accepted.
  Exchange::Clock::time_point last_accepted() const;
  // Closes the port and the connections that are between requests. Nobody who was there before is turned
  // away: what has arrived is answered, and a connection that is new has a second for its request.
  void stop_accepting();
  std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace pilotlight::http
