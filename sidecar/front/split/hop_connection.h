#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "sidecar/front/split/hop_client.h"

namespace pilotlight::front {

// One connection to a peer: one request after the other. Kept alive by its own coroutine, which reads all the
// time, so that it is known at once when the peer closes. Runs on the loop's thread.
class HopConnection : public std::enable_shared_from_this<HopConnection> {
 public:
  HopConnection(HopClient& client, std::shared_ptr<HopClient::Peer> peer);

  // Connects, and sends the request once the peer has shown who it is.
  void open(const boost::asio::ip::tcp::endpoint& endpoint, HopRequest request);
  // Sends one more, when it is idle.
  void send(HopRequest request);
  // Nobody wants the answer: the peer learns it by the connection's end. There is no close_notify, as the
  // peer watches the bare socket.
  void abandon();
  // The client is no more, and nobody is to be told anything.
  void orphan();
  void close();

  HopClient::Peer& peer() { return *peer_; }

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
  template <class T>
  using Awaitable = boost::asio::awaitable<T, Executor>;
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;

  Awaitable<void> run(boost::asio::ip::tcp::endpoint endpoint);
  Awaitable<std::optional<HopFailure>> connect(boost::asio::ip::tcp::endpoint endpoint);
  void write();
  // Takes what has come. Nothing: go on reading.
  std::optional<HopResult> take();
  void deliver(HopResult result, bool keep);
  void fail(HopFailure failure);
  void report();
  void arm(Timers::Clock::time_point when);

  HopClient* client_;
  std::shared_ptr<HopClient::Peer> peer_;
  Socket socket_;
  boost::asio::ssl::stream<Socket&> tls_;
  boost::asio::basic_waitable_timer<Timers::Clock, boost::asio::wait_traits<Timers::Clock>, Executor> timer_;
  std::optional<HopRequest> request_;
  std::optional<HopResult> result_;  // waits for the end of writing
  std::optional<Parser> parser_;
  std::string in_;
  bool closed_ = false;
  bool writing_ = false;
  bool timed_out_ = false;
  bool keep_ = false;
};

}  // namespace pilotlight::front
