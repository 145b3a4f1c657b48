#include "operator/control/ask.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

namespace pilotlight::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Executor = asio::io_context::executor_type;
using Stream = beast::basic_stream<asio::ip::tcp, Executor>;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<Executor>{});

Answer NoAnswer(const beast::error_code& error) {
  if (error == beast::error::timeout) return {.error = "no answer in time"};
  if (error == beast::http::error::body_limit) return {.error = "its answer is too long"};
  return {.error = error.message()};
}

asio::awaitable<Answer, Executor> Call(asio::io_context& io, const Question& question) {
  beast::error_code error;
  const auto address = asio::ip::make_address(question.ip, error);
  if (error) co_return Answer{.error = "the pod has no address"};

  Stream stream(io.get_executor());
  stream.expires_after(question.timeout);
  std::tie(error) = co_await stream.async_connect({address, question.port}, kAwait);
  if (error == beast::error::timeout) co_return NoAnswer(error);
  if (error) co_return Answer{.error = "the connection is refused or cannot be made"};

  const auto space = question.call.find(' ');
  beast::http::request<beast::http::string_body> request(
      beast::http::string_to_verb(question.call.substr(0, space)), question.call.substr(space + 1), 11,
      question.body);
  request.set(beast::http::field::host, address.is_v6() ? "[" + question.ip + "]" : question.ip);
  request.set(beast::http::field::connection, "close");
  if (!question.body.empty()) request.set(beast::http::field::content_type, "application/json");
  request.prepare_payload();
  std::size_t bytes = 0;
  std::tie(error, bytes) = co_await beast::http::async_write(stream, request, kAwait);
  if (error) co_return NoAnswer(error);

  beast::flat_buffer buffer;
  beast::http::response_parser<beast::http::string_body> parser;
  parser.body_limit(question.answer_limit);
  std::tie(error, bytes) = co_await beast::http::async_read(stream, buffer, parser, kAwait);
  if (error) co_return NoAnswer(error);
  const unsigned status = parser.get().result_int();
  co_return Answer{.status = status, .body = parser.release().body(), .error = {}};
}

asio::awaitable<void, Executor> AskAndTell(asio::io_context& io, Question question,
                                           std::function<void(Answer)> answered) {
  answered(co_await Call(io, question));
}

}  // namespace

void Ask(asio::io_context& io, Question question, std::function<void(Answer)> answered) {
  asio::co_spawn(io, AskAndTell(io, std::move(question), std::move(answered)), asio::detached);
}

}  // namespace pilotlight::control
