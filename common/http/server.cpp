#include "common/http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <optional>
#include <thread>

#include "common/http/listener.h"

namespace pilotlight::http {

struct Server::Impl final : Service {
  Impl(std::string where, Handler what, Limits how)
      : address(std::move(where)), handler(std::move(what)), limits(how) {}

  std::expected<std::uint64_t, Response> admit(Request& /*head*/) override { return limits.body_bytes; }

  void serve(const std::shared_ptr<Exchange>& exchange) override {
    try {
      exchange->respond(handler(exchange->request));
    } catch (const std::exception&) {
      // What it says may hold anything; it is for the handler to log, not for the client to read.
      exchange->respond(error(500, "internal error"));
    }
  }

  std::string address;
  Handler handler;
  Limits limits;
  boost::asio::io_context io{1};
  std::optional<Listener> listener;
  std::uint16_t port = 0;
  std::jthread thread;
};

Server::Server(std::string address, Handler handler, Limits limits)
    : impl_(std::make_unique<Impl>(std::move(address), std::move(handler), limits)) {}

Server::~Server() {
  stop();
}

std::expected<void, std::string> Server::start() {
  impl_->listener.emplace(impl_->io, *impl_, impl_->limits);
  if (auto listening = impl_->listener->listen(impl_->address); !listening) {
    impl_->listener.reset();
    return listening;
  }
  impl_->port = impl_->listener->port();
  impl_->thread = std::jthread([impl = impl_.get()] { impl->io.run(); });
  return {};
}

void Server::stop() {
  if (!impl_->thread.joinable()) return;
  boost::asio::post(impl_->io, [impl = impl_.get()] { impl->listener.reset(); });
  impl_->thread.join();
}

std::uint16_t Server::port() const {
  return impl_->port;
}

}  // namespace pilotlight::http
