#include "sidecar/front/split/hop_connection.h"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "sidecar/front/split/hop_peer.h"

namespace pilotlight::front {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;

namespace {

constexpr auto kUse = asio::as_tuple(asio::use_awaitable_t<asio::io_context::executor_type>{});
constexpr std::size_t kReadBytes = 8 * 1024;

// Of the peer's answer, what a client may see. Everything else is made by this front.
http::Response response_of(const beast_http::response<beast_http::string_body>& message) {
  http::Response response{.status = message.result_int(), .body = {}, .content_type = {}, .fields = {}};
  for (const auto& field : message) {
    const std::string_view name(field.name_string().data(), field.name_string().size());
    const std::string_view value(field.value().data(), field.value().size());
    if (http::same_name(name, "content-type")) response.content_type = value;
    for (const auto* kept : {"inference-header-content-length", "retry-after", "accept-encoding"}) {
      if (http::same_name(name, kept)) response.fields.emplace_back(kept, value);
    }
  }
  return response;
}

}  // namespace

HopConnection::HopConnection(HopClient& client, std::shared_ptr<HopClient::Peer> peer)
    : client_(&client),
      peer_(std::move(peer)),
      socket_(client.io_.get_executor()),
      tls_(socket_, *client.context_),
      timer_(client.io_.get_executor()) {
  HopIdentity::expect(tls_.native_handle(), peer_->about.certificate);
}

void HopConnection::open(const asio::ip::tcp::endpoint& endpoint, HopRequest request) {
  request_ = std::move(request);
  asio::co_spawn(socket_.get_executor(), run(endpoint),
                 [self = shared_from_this()](const std::exception_ptr&) {});
}

void HopConnection::send(HopRequest request) {
  request_ = std::move(request);
  arm(request_->deadline);
  write();
}

HopConnection::Awaitable<void> HopConnection::run(asio::ip::tcp::endpoint endpoint) {
  if (const auto failure = co_await connect(endpoint)) co_return fail(*failure);
  arm(request_->deadline);
  write();
  while (!closed_) {
    const auto had = in_.size();
    in_.resize(had + kReadBytes);
    const auto [failed, got] =
        co_await tls_.async_read_some(asio::buffer(in_.data() + had, kReadBytes), kUse);
    in_.resize(had + got);
    if (failed) co_return fail(timed_out_ ? HopFailure::kTimeout : HopFailure::kReset);
    if (!request_ || result_) co_return fail(HopFailure::kMalformed);  // it talks unasked
    auto result = take();
    if (!result) continue;
    const bool keep = result->has_value() && parser_->keep_alive();
    deliver(*std::move(result), keep);
  }
}

HopConnection::Awaitable<std::optional<HopFailure>> HopConnection::connect(asio::ip::tcp::endpoint endpoint) {
  if (closed_) co_return HopFailure::kReset;  // abandoned before it began
  arm(std::min(request_->deadline, Timers::Clock::now() + client_->limits_.connect));
  const auto [unreachable] = co_await socket_.async_connect(endpoint, kUse);
  if (unreachable) co_return timed_out_ ? HopFailure::kTimeout : HopFailure::kUnreachable;
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto [failed] = co_await tls_.async_handshake(asio::ssl::stream_base::client, kUse);
  if (timed_out_) co_return HopFailure::kTimeout;
  if (closed_) co_return HopFailure::kReset;
  if (!failed) co_return std::nullopt;
  const bool ours = SSL_get_verify_result(tls_.native_handle()) != X509_V_OK;
  co_return ours ? HopFailure::kUntrusted : HopFailure::kReset;
}

void HopConnection::write() {
  parser_.emplace();
  parser_->eager(true);
  parser_->body_limit(client_->limits_.answer_bytes);
  writing_ = true;
  const std::array<asio::const_buffer, 2> parts{asio::buffer(request_->head), asio::buffer(request_->body)};
  asio::async_write(
      tls_, parts,
      [self = shared_from_this(), keep = request_->keep](boost::system::error_code failed, std::size_t) {
        self->writing_ = false;
        // Whoever is done has waited for this; else the reading side tells of what is wrong.
        if (failed) self->close();
        self->report();
      });
}

std::optional<HopResult> HopConnection::take() {
  std::size_t taken = 0;
  boost::system::error_code failed;
  while (taken < in_.size() && !parser_->is_done()) {
    const auto bytes = parser_->put(asio::buffer(in_.data() + taken, in_.size() - taken), failed);
    taken += bytes;
    if (failed == beast_http::error::need_more) failed = {};
    if (failed || bytes == 0) break;
  }
  in_.erase(0, taken);
  if (failed == beast_http::error::body_limit) return std::unexpected(HopFailure::kTooLarge);
  if (failed) return std::unexpected(HopFailure::kMalformed);
  if (!parser_->is_done()) return std::nullopt;
  if (!in_.empty()) return std::unexpected(HopFailure::kMalformed);
  auto response = response_of(parser_->get());
  response.body = std::move(parser_->get().body());
  return response;
}

void HopConnection::deliver(HopResult result, bool keep) {
  result_ = std::move(result);
  keep_ = keep && result_->has_value() && !writing_;
  if (!keep_) close();
  report();
}

void HopConnection::fail(HopFailure failure) {
  close();
  if (request_ && !result_) result_ = std::unexpected(failure);
  report();
}

// Not before what is written from is let go: its owner may then take it apart.
void HopConnection::report() {
  if (!result_ || writing_) return;
  auto request = *std::exchange(request_, std::nullopt);
  auto result = *std::exchange(result_, std::nullopt);
  parser_.reset();
  if (client_ == nullptr) return;
  auto* client = client_;
  auto& peer = *peer_;
  const auto self = shared_from_this();
  --peer.in_flight;
  // A peer that answers well and then ends the connection is about to leave.
  if (result) {
    client->succeeded(peer, !keep_ && result->status < 500);
  } else {
    client->failed(peer, result.error());
  }
  if (keep_) {
    arm(Timers::Clock::now() + client->limits_.idle);
    client->idle(self);
  }
  request.done(std::move(result));
}

void HopConnection::abandon() {
  if (!request_) return;
  request_.reset();
  result_.reset();
  if (client_ != nullptr) --peer_->in_flight;
  close();
}

void HopConnection::orphan() {
  client_ = nullptr;
  close();
}

void HopConnection::arm(Timers::Clock::time_point when) {
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (cancelled || !self) return;
    self->timed_out_ = true;
    self->close();
  });
}

void HopConnection::close() {
  if (std::exchange(closed_, true)) return;
  timer_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (client_ != nullptr) client_->closed(*this);
}

}  // namespace pilotlight::front
