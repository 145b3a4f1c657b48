// One client's bytes through a whole connection: every answer is HTTP that another parser reads.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/fuzz/fuzz.h"
#include "common/http/connection.h"

namespace pilotlight::fuzz {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;

constexpr std::uint64_t kMostBody = 256;

// Answers with the number of bytes that it was given.
class Echo final : public http::Service {
 public:
  std::expected<std::uint64_t, http::Response> admit(http::Request& head) override {
    require(!head.method.empty(), "a request has a method");
    require(head.count("content-length") <= 1 && head.count("transfer-encoding") == 0,
            "the framing has one reading");
    if (head.path == "/refused") return std::unexpected(http::error(404, head.target));
    return kMostBody;
  }
  void serve(const std::shared_ptr<http::Exchange>& exchange) override {
    require(exchange->request.body.size() <= kMostBody, "a body is within its limit");
    require(exchange->request.body.capacity() == exchange->request.body.size() ||
                exchange->request.body.capacity() >= exchange->request.body.size() + 64 ||
                exchange->request.body.empty(),
            "there is room for simdjson behind a body");
    exchange->respond({.body = std::to_string(exchange->request.body.size())});
  }
  void finish(http::Request& request, http::Response& response, http::Exchange::Clock::time_point) override {
    ++finished;
    // Nothing in the answer says that it comes without the body that it announces, so it is to be the last.
    response.close = response.close || request.method == "HEAD";
  }

  std::size_t finished = 0;
};

void send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const auto sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive_all(int socket) {
  std::string all;
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return all;
}

// Reads what the connection said as responses, each whole; returns how many.
std::size_t read_responses(std::string_view said) {
  std::size_t count = 0;
  while (!said.empty()) {
    if (said.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) {
      said.remove_prefix(25);
      continue;
    }
    beast_http::response_parser<beast_http::string_body> parser;
    parser.eager(true);
    boost::system::error_code failed;
    const auto used = parser.put(asio::buffer(said), failed);
    require(!failed && used > 0, "an answer is HTTP");
    require(parser.is_done() || parser.is_header_done(), "an answer has a whole head");
    require(parser.get().count(beast_http::field::content_length) == 1, "an answer says how long it is");
    ++count;
    if (!parser.is_done()) return count;  // to HEAD
    said.remove_prefix(used);
  }
  return count;
}

}  // namespace

// Written in pieces where the input has the separator.
void run(std::string_view input) {
  if (input.size() > 64 * 1024) return;  // what the socket holds: nobody reads while we write
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "there are sockets");
  asio::io_context io;
  Echo echo;
  const auto shared = std::make_shared<http::Shared>(http::Shared{.service = &echo, .limits = {}});
  http::Socket socket(io.get_executor());
  socket.assign(asio::ip::tcp::v4(), ends[0]);
  const auto connection = std::make_shared<http::Connection>(std::move(socket), shared);
  asio::co_spawn(io, connection->run(), asio::detached);
  while (!input.empty()) {
    const auto end = input.find(kSeparator);
    send_all(ends[1], input.substr(0, end));
    io.poll();
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  }
  ::shutdown(ends[1], SHUT_WR);
  io.restart();
  io.run();  // to the end: the client has closed
  const auto said = receive_all(ends[1]);
  ::close(ends[1]);
  const auto answers = read_responses(said);
  require(answers <= echo.finished && (answers > 0) == (echo.finished > 0),
          "what was finished was written, and nothing else");
}

std::vector<std::string> seeds() {
  const std::string post = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";
  return {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
          post + post + "GET /refused HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n\x1e"
          "12345",
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 257\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
          "GET http://a/b?c HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
          "\x1eGET \x1e/ HTTP/1.1\r\x1e\nHost: a\r\n\x1e\r\n"};
}

}  // namespace pilotlight::fuzz
