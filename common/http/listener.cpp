#include "common/http/listener.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <charconv>
#include <format>
#include <vector>

#include "common/http/connection.h"

namespace pilotlight::http {

namespace asio = boost::asio;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Clock = Exchange::Clock;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

namespace {

constexpr std::chrono::milliseconds kTick{250};

struct Address {
  std::string host;  // empty: every interface
  std::uint16_t port;
};

std::expected<Address, std::string> split(std::string_view address) {
  const auto bad = [&](std::string_view why) {
    return std::unexpected(std::format("'{}' is not an address to listen on: {}", address, why));
  };
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad("it has no ':port'");
  Address result{.port = 0};
  const auto port = address.substr(colon + 1);
  const auto* end = port.data() + port.size();
  const auto parsed = std::from_chars(port.data(), end, result.port);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != end) return bad("the port is not 0 to 65535");
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  result.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  return result;
}

boost::system::error_code open(Acceptor& acceptor, const asio::ip::tcp::endpoint& endpoint) {
  boost::system::error_code failed;
  acceptor.open(endpoint.protocol(), failed);
  if (failed) return failed;
  acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), failed);
  acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
  }
  return failed;
}

}  // namespace

struct Listener::Impl : std::enable_shared_from_this<Listener::Impl> {
  Impl(asio::io_context& io, Service& service, Limits limits, asio::ssl::context* tls)
      : shared(std::make_shared<Shared>(Shared{&service, limits, tls})), acceptor(io), timer(io) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](boost::system::error_code failed, Socket socket) {
      if (failed == asio::error::operation_aborted || !self->acceptor.is_open()) return;
      if (!failed) self->start(std::move(socket));
      // Out of descriptors: the sockets in the backlog keep accept from waiting, so wait here.
      if (failed) return self->accept_later();
      self->accept();
    });
  }

  void accept_later() {
    const auto pause = std::make_shared<Timer>(acceptor.get_executor(), kTick);
    pause->async_wait([self = shared_from_this(), pause](boost::system::error_code) {
      if (self->acceptor.is_open()) self->accept();
    });
  }

  void start(Socket socket) {
    latest = Clock::now();
    const bool full = open_connections() >= shared->limits.connections;
    const auto connection = std::make_shared<Connection>(std::move(socket), shared);
    connections.push_back(connection);
    // Outside of the loop the coroutine begins later, and nothing else holds the connection until then.
    asio::co_spawn(acceptor.get_executor(), full ? connection->run_refused() : connection->run(),
                   [connection](const std::exception_ptr&) {});
    if (connections.size() == 1) tick();
  }

  std::size_t open_connections() {
    std::erase_if(connections, [](const auto& one) { return one.expired(); });
    return connections.size();
  }

  // One timer for all connections: a deadline is then an assignment and not a timer's insertion and removal.
  void tick() {
    if (open_connections() == 0) return;
    timer.expires_after(std::min<std::chrono::milliseconds>(kTick, shared->limits.head_time / 4));
    timer.async_wait([self = shared_from_this()](boost::system::error_code failed) {
      if (failed) return;
      const auto now = Clock::now();
      for (const auto& one : self->connections) {
        if (const auto connection = one.lock()) connection->tick(now);
      }
      self->tick();
    });
  }

  // What the kernel has accepted in our name.
  void accept_waiting() {
    boost::system::error_code failed;
    acceptor.non_blocking(true, failed);
    while (!failed) {
      Socket socket(acceptor.get_executor());
      acceptor.accept(socket, failed);
      if (!failed) start(std::move(socket));
    }
  }

  void for_each_connection(void (Connection::*what)()) {
    for (const auto& one : connections) {
      if (const auto connection = one.lock()) (*connection.*what)();
    }
  }

  std::shared_ptr<Shared> shared;
  Acceptor acceptor;
  Timer timer;
  std::vector<std::weak_ptr<Connection>> connections;
  Clock::time_point latest = Clock::now();
};

Listener::Listener(asio::io_context& io, Service& service, Limits limits, asio::ssl::context* tls)
    : impl_(std::make_shared<Impl>(io, service, limits, tls)) {}

Listener::~Listener() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->timer.cancel();
  impl_->for_each_connection(&Connection::close);
}

std::expected<void, std::string> Listener::listen(std::string_view address) {
  const auto parts = split(address);
  if (!parts) return std::unexpected(parts.error());
  boost::system::error_code failed;
  if (parts->host.empty()) {
    // Every interface of both families; IPv4 alone where the kernel has no IPv6.
    failed = open(impl_->acceptor, {asio::ip::address_v6::any(), parts->port});
    if (failed) failed = open(impl_->acceptor, {asio::ip::address_v4::any(), parts->port});
  } else {
    const auto host = asio::ip::make_address(parts->host, failed);
    if (failed)
      return std::unexpected(
          std::format("'{}' is not an address to listen on: '{}' is no IP address", address, parts->host));
    failed = open(impl_->acceptor, {host, parts->port});
  }
  if (failed) return std::unexpected(std::format("cannot listen on {}: {}", address, failed.message()));
  impl_->accept();
  return {};
}

std::uint16_t Listener::port() const {
  boost::system::error_code ignored;
  return impl_->acceptor.local_endpoint(ignored).port();
}

void Listener::close_after_answers() {
  impl_->shared->close_after_answers = true;
}
Clock::time_point Listener::last_accepted() const {
  return impl_->latest;
}

void Listener::stop_accepting() {
  impl_->accept_waiting();
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->for_each_connection(&Connection::leave);
}

std::size_t Listener::connections() const {
  return impl_->open_connections();
}

}  // namespace pilotlight::http
