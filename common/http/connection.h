#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "common/http/head.h"
#include "common/http/listener.h"

namespace pilotlight::http {

using Executor = boost::asio::io_context::executor_type;  // not type-erased: cheaper per operation
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
template <class T>
using Awaitable = boost::asio::awaitable<T, Executor>;

// What every connection of one listener knows.
struct Shared {
  Service* service;
  Limits limits;
  boost::asio::ssl::context* tls = nullptr;  // none: in the clear
  bool close_after_answers = false;
};

// One client's connection, from accept to close: requests one after the other, each read whole, served,
// answered. Kept alive by its own coroutine. Runs on the listener's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = Exchange::Clock;

  Connection(Socket socket, std::shared_ptr<const Shared> shared);

  Awaitable<void> run();
  // Answers 503 instead of serving: there are too many connections.
  Awaitable<void> run_refused();

  // Called about every quarter of a second: ends the waiting operation once its deadline has passed.
  void tick(Clock::time_point now);
  void close();
  // For when no more are accepted: closes what is between two requests. A request that has arrived is still
  // answered, read or not, and so is the first one of a new connection, which may take a second to come.
  void leave();

 private:
  class Pending;
  using Bytes = std::tuple<boost::system::error_code, std::size_t>;

  // An answer that ends the connection, or that it simply has to end (no value).
  using Refusal = std::optional<Response>;

  Awaitable<bool> shake_hands();
  Awaitable<Bytes> read_some(boost::asio::mutable_buffer into);
  Awaitable<std::expected<std::size_t, Refusal>> read_head();
  Awaitable<bool> serve_one(std::size_t head_bytes);
  Awaitable<std::expected<void, Refusal>> read_body(Pending& pending, std::uint64_t bytes);
  Awaitable<void> await_answer(Pending& pending);
  Awaitable<bool> answer(Request& request, Response response, Clock::time_point started, bool keep);
  Awaitable<bool> refuse(Response response);
  Awaitable<bool> write(std::string_view head, std::string_view body);
  Awaitable<void> linger();
  void watch_for_close(const std::shared_ptr<Pending>& pending);

  Socket socket_;
  std::shared_ptr<const Shared> shared_;
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor> wake_;
  std::unique_ptr<boost::asio::ssl::stream<Socket&>> tls_;  // over the socket; none: in the clear
  std::string peer_;
  std::string certificate_;
  std::string in_;  // received and not yet consumed
  Clock::time_point deadline_ = Clock::time_point::max();
  bool timed_out_ = false;
  bool idle_ = true;
  bool fresh_ = true;  // no request has come yet
  bool leaving_ = false;
};

}  // namespace pilotlight::http
