#include "common/http/connection.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <format>
#include <limits>

namespace pilotlight::http {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;

namespace {

constexpr auto kUse = asio::as_tuple(asio::use_awaitable_t<Executor>{});
constexpr std::size_t kReadBytes = 8 * 1024;
// How long a connection that was accepted last may take to send its request.
constexpr std::chrono::seconds kFirstRequest{1};
// Room behind a body, so that simdjson, which reads past the end, can parse it in place.
constexpr std::size_t kPadding = 64;

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto item = list.substr(0, comma);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (same_name(item, token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::string head_of(const Response& response, bool keep) {
  const auto reason = beast_http::obsolete_reason(static_cast<beast_http::status>(response.status));
  std::string head =
      std::format("HTTP/1.1 {} {}\r\n", response.status, std::string_view(reason.data(), reason.size()));
  for (const auto& [name, value] : response.fields) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!response.content_type.empty() && !response.body.empty()) {
    head.append("content-type: ").append(response.content_type).append("\r\n");
  }
  std::format_to(std::back_inserter(head), "content-length: {}\r\n", response.body.size());
  head.append(keep ? "\r\n" : "connection: close\r\n\r\n");
  return head;
}

// "sha256:…" of what the other side has shown; empty: nothing.
std::string certificate_of(const SSL* connection) {
  std::array<unsigned char, 32> digest{};
  const auto* certificate = SSL_get0_peer_certificate(connection);
  if (certificate == nullptr || X509_digest(certificate, EVP_sha256(), digest.data(), nullptr) != 1)
    return {};
  std::string text = "sha256:";
  for (const auto byte : digest) std::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

std::chrono::nanoseconds time_for(std::uint64_t bytes, const Limits& limits) {
  return limits.grace + std::chrono::milliseconds(bytes * 1000 / limits.bytes_per_second);
}

}  // namespace

// An exchange and what its request's views point into.
class Connection::Pending final : public Exchange {
 public:
  explicit Pending(std::weak_ptr<Connection> connection) : connection_(std::move(connection)) {
    parser.header_limit(std::numeric_limits<std::uint32_t>::max());  // scan_head has seen to it
    parser.body_limit(boost::none);                                  // ours is Service::admit's
  }

  void respond(Response response) override {
    if (answer) return;
    answer = std::move(response);
    if (const auto connection = connection_.lock()) connection->wake_.cancel();
  }

  void gone() {
    if (answer) return;
    answer.emplace();
    client_left = true;
    if (on_gone) on_gone();
    if (const auto connection = connection_.lock()) connection->wake_.cancel();
  }

  beast_http::request_parser<beast_http::empty_body> parser;
  std::optional<Response> answer;
  std::string peer;  // of its own: it may outlive the connection
  std::string certificate;
  bool client_left = false;

 private:
  std::weak_ptr<Connection> connection_;
};

Connection::Connection(Socket socket, std::shared_ptr<const Shared> shared)
    : socket_(std::move(socket)), shared_(std::move(shared)), wake_(socket_.get_executor()) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto endpoint = socket_.remote_endpoint(ignored);
  if (!ignored) peer_ = endpoint.address().to_string();
  if (shared_->tls != nullptr) tls_ = std::make_unique<asio::ssl::stream<Socket&>>(socket_, *shared_->tls);
}

void Connection::tick(Clock::time_point now) {
  if (now < deadline_) return;
  timed_out_ = true;
  deadline_ = Clock::time_point::max();
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  wake_.cancel();
}

void Connection::leave() {
  leaving_ = true;
  if (!idle_) return;
  char byte = 0;
  const auto waiting = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (waiting > 0 && !tls_) return;
  if ((!fresh_ && waiting < 0) || waiting == 0) return close();
  // Over TLS what has come may not be a request.
  deadline_ = std::min(deadline_, Clock::now() + kFirstRequest);
}

Awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  if (tls_ && !co_await shake_hands()) co_return close();
  while (socket_.is_open()) {
    const auto head = co_await read_head();
    if (!head) {
      if (head.error()) co_await refuse(*head.error());
      break;
    }
    if (!co_await serve_one(*head)) break;
  }
  close();
}

Awaitable<void> Connection::run_refused() {
  const auto self = shared_from_this();
  idle_ = false;
  if (tls_) co_return close();  // an answer would cost as much as serving
  auto refusal = error(503, "too many connections; try again");
  refusal.fields.emplace_back("retry-after", "1");
  co_await refuse(std::move(refusal));
  close();
}

Awaitable<bool> Connection::shake_hands() {
  deadline_ = Clock::now() + shared_->limits.head_time;
  const auto [failed] = co_await tls_->async_handshake(asio::ssl::stream_base::server, kUse);
  if (failed) co_return false;
  certificate_ = certificate_of(tls_->native_handle());
  co_return true;
}

Awaitable<Connection::Bytes> Connection::read_some(asio::mutable_buffer into) {
  return tls_ ? tls_->async_read_some(into, kUse) : socket_.async_read_some(into, kUse);
}

Awaitable<std::expected<std::size_t, Connection::Refusal>> Connection::read_head() {
  idle_ = in_.empty();
  const std::chrono::milliseconds idle_time = leaving_ ? kFirstRequest : shared_->limits.idle_time;
  deadline_ = Clock::now() + (idle_ ? idle_time : shared_->limits.head_time);
  while (true) {
    if (!in_.empty()) {
      auto scan = scan_head(in_, shared_->limits);
      if (scan.rejected) {
        idle_ = false;
        co_return std::unexpected(error(scan.rejected->status, scan.rejected->message));
      }
      if (scan.length > 0) {
        idle_ = fresh_ = false;
        deadline_ = Clock::time_point::max();
        co_return scan.length;
      }
    }
    const auto had = in_.size();
    boost::system::error_code failed;
    std::size_t got = 0;
    in_.resize(had + kReadBytes);
    std::tie(failed, got) = co_await read_some(asio::buffer(in_.data() + had, kReadBytes));
    in_.resize(had + got);
    if (failed) {
      const bool begun = !in_.empty();
      if (timed_out_ && begun) {
        timed_out_ = false;
        idle_ = false;
        co_return std::unexpected(error(408, "the request's head did not arrive in time"));
      }
      co_return std::unexpected(std::nullopt);
    }
    if (had == 0) {
      idle_ = false;
      deadline_ = Clock::now() + shared_->limits.head_time;
    }
  }
}

Awaitable<bool> Connection::serve_one(std::size_t head_bytes) {
  const auto pending = std::make_shared<Pending>(weak_from_this());
  pending->started = Clock::now();
  boost::system::error_code failed;
  pending->parser.put(asio::buffer(in_.data(), head_bytes), failed);
  if (failed || !pending->parser.is_header_done()) {
    co_return co_await refuse(error(400, "the request's head is not HTTP/1.1"));
  }
  in_.erase(0, head_bytes);

  const auto& message = pending->parser.get();
  auto& request = pending->request;
  const auto view = [](auto text) { return std::string_view(text.data(), text.size()); };
  request.method = view(message.method_string());
  request.target = view(message.target());
  request.path = request.target;
  request.peer = pending->peer = peer_;
  request.certificate = pending->certificate = certificate_;
  // A proxy may send the absolute form; its authority is the Host header's business.
  if (request.path.starts_with("http://")) {
    const auto slash = request.path.find('/', 7);
    request.path = slash == std::string_view::npos ? std::string_view("/") : request.path.substr(slash);
  }
  if (const auto mark = request.path.find('?'); mark != std::string_view::npos) {
    request.query = request.path.substr(mark + 1);
    request.path = request.path.substr(0, mark);
  }
  for (const auto& field : message)
    request.fields.push_back({view(field.name_string()), view(field.value())});

  const auto connection = request.field("connection");
  const bool keep =
      message.version() == 11 ? !has_token(connection, "close") : has_token(connection, "keep-alive");
  const std::uint64_t body_bytes = pending->parser.content_length().value_or(0);

  auto admitted = shared_->service->admit(request);
  if (!admitted) {
    // What is here of a small body is passed over; a larger one is not worth waiting for.
    const bool whole = body_bytes <= in_.size();
    if (whole) in_.erase(0, body_bytes);
    co_return co_await answer(request, std::move(admitted.error()), pending->started, keep && whole);
  }
  if (body_bytes > *admitted) {
    const auto text = std::format("the body has {} bytes; at most {} are accepted", body_bytes, *admitted);
    co_return co_await answer(request, error(413, text), pending->started, false);
  }
  if (const auto expect = request.field("expect"); !expect.empty()) {
    if (!same_name(expect, "100-continue")) {
      co_return co_await answer(request, error(417, "the only expectation known is 100-continue"),
                                pending->started, false);
    }
    if (in_.size() < body_bytes && !co_await write("HTTP/1.1 100 Continue\r\n\r\n", {})) co_return false;
  }
  if (const auto body = co_await read_body(*pending, body_bytes); !body) {
    if (body.error()) co_await answer(request, *body.error(), pending->started, false);
    co_return false;
  }

  shared_->service->serve(pending);
  if (!pending->answer) {
    watch_for_close(pending);
    co_await await_answer(*pending);
  }
  if (pending->client_left || !pending->answer) co_return false;
  co_return co_await answer(request, std::move(*pending->answer), pending->started, keep);
}

Awaitable<std::expected<void, Connection::Refusal>> Connection::read_body(Pending& pending,
                                                                          std::uint64_t bytes) {
  auto& body = pending.request.body;
  if (bytes == 0) co_return std::expected<void, Refusal>();
  const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(in_.size(), bytes));
  const auto total = static_cast<std::size_t>(bytes);
  body.reserve(total + kPadding);
  // Grown as it is filled, so that a promise of many bytes alone costs no memory.
  body.resize_and_overwrite(total, [&](char* data, std::size_t size) {
    std::copy_n(in_.data(), here, data);
    return size;
  });
  in_.erase(0, here);
  const auto began = Clock::now();
  for (std::size_t filled = here; filled < total;) {
    deadline_ = began + time_for(filled, shared_->limits);
    const auto [failed, got] = co_await read_some(asio::buffer(body.data() + filled, total - filled));
    if (failed) {
      if (!timed_out_) co_return std::unexpected(std::nullopt);
      timed_out_ = false;
      co_return std::unexpected(
          error(408, std::format("{} of the body's {} bytes arrived in time", filled, total)));
    }
    filled += got;
  }
  deadline_ = Clock::time_point::max();
  co_return std::expected<void, Refusal>();
}

Awaitable<void> Connection::await_answer(Pending& pending) {
  while (!pending.answer && socket_.is_open()) {
    wake_.expires_at(Clock::time_point::max());
    co_await wake_.async_wait(kUse);
  }
  boost::system::error_code ignored;
  socket_.cancel(ignored);  // the watch
}

void Connection::watch_for_close(const std::shared_ptr<Pending>& pending) {
  socket_.async_wait(
      Socket::wait_read, [self = shared_from_this(), pending](boost::system::error_code failed) {
        if (failed || pending->answer) return;
        char byte = 0;
        const auto got = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        // More bytes are a pipelined request: it waits its turn, and so does the news of a close behind it.
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) pending->gone();
      });
}

Awaitable<bool> Connection::answer(Request& request, Response response, Clock::time_point started,
                                   bool keep) {
  shared_->service->finish(request, response, started);
  keep = keep && !response.close && !shared_->close_after_answers;
  const auto head = head_of(response, keep);
  const bool written = co_await write(head, request.method == "HEAD" ? std::string_view() : response.body);
  if (written && !keep) co_await linger();
  co_return written&& keep;
}

// Of what is not even a request.
Awaitable<bool> Connection::refuse(Response response) {
  Request nothing;
  co_return co_await answer(nothing, std::move(response), Clock::now(), false);
}

Awaitable<bool> Connection::write(std::string_view head, std::string_view body) {
  deadline_ = Clock::now() + time_for(head.size() + body.size(), shared_->limits);
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head), asio::buffer(body)};
  const auto [failed, sent] = tls_ ? co_await asio::async_write(*tls_, parts, kUse)
                                   : co_await asio::async_write(socket_, parts, kUse);
  deadline_ = Clock::time_point::max();
  co_return !failed;
}

// Bytes left unread at a close make the kernel send a reset, which can overtake the answer. So read on for a
// while.
Awaitable<void> Connection::linger() {
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  deadline_ =
      Clock::now() + std::min<std::chrono::milliseconds>(shared_->limits.grace, std::chrono::seconds(2));
  in_.resize(kReadBytes);
  while (true) {
    const auto [failed, got] = co_await read_some(asio::buffer(in_));
    if (failed) co_return;
  }
}

}  // namespace pilotlight::http
