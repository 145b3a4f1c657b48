// A request's head: what scan_head lets through must be read in the same way by the parser behind it.

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "common/fuzz/fuzz.h"
#include "common/http/head.h"
#include "common/http/message.h"

namespace pilotlight::fuzz {
namespace {

namespace beast_http = boost::beast::http;

// Small, so that the fuzzer reaches them.
constexpr http::Limits kLimits{.target_bytes = 128, .field_bytes = 256, .head_bytes = 1024};

void check_rejection(const http::Rejection& rejection) {
  require(rejection.status >= 400 && rejection.status < 600, "a rejection has a status of an error");
  require(presentable(http::error(rejection.status, rejection.message).body, 4096),
          "a rejection can be shown");
}

void check_accepted(std::string_view head) {
  beast_http::request_parser<beast_http::empty_body> parser;
  parser.header_limit(UINT32_MAX);
  parser.body_limit(boost::none);
  boost::system::error_code failed;
  const auto used = parser.put(boost::asio::buffer(head), failed);
  if (failed) return;  // answered with 400
  require(parser.is_header_done() && used == head.size(), "both find the head's end at the same place");
  require(!parser.chunked(), "no chunked body gets through");
  const auto lengths = parser.get().count(beast_http::field::content_length);
  require(lengths <= 1, "one Content-Length at most gets through");
  require(parser.get().count(beast_http::field::transfer_encoding) == 0, "no Transfer-Encoding gets through");
  require(lengths == 1 || parser.content_length().value_or(0) == 0, "only Content-Length makes a body");
  require(parser.get().target().size() <= kLimits.target_bytes, "the target is within its limit");
}

void check_path(std::string_view path) {
  const auto segments = http::path_segments(path);
  if (!segments.valid) return;
  std::string again;
  for (const auto& name : segments.names) {
    require(!name.empty() && name.size() <= 128 && name != "." && name != "..", "a segment is a name");
    require(name.find_first_of("/\\%\0") == std::string::npos,
            "a segment holds nothing that leads elsewhere");
    again += "/" + name;
  }
  require(http::path_segments(again.empty() ? "/" : again).names == segments.names,
          "decoded segments stay as they are");
}

}  // namespace

void run(std::string_view input) {
  const auto whole = http::scan_head(input, kLimits);
  if (whole.rejected) check_rejection(*whole.rejected);
  if (whole.length > 0) {
    require(whole.length <= input.size() && whole.length <= kLimits.head_bytes + 1, "the head was received");
    require(input.substr(0, whole.length).ends_with("\r\n\r\n"), "the head ends in an empty line");
    check_accepted(input.substr(0, whole.length));
  }
  // Bytes come in pieces. A piece is refused only if the whole is, and none is complete before the whole is.
  for (std::size_t size = 1; size < input.size(); size += 1 + size / 16) {
    const auto part = http::scan_head(input.substr(0, size), kLimits);
    if (part.rejected) require(whole.rejected.has_value(), "what is refused early is refused whole");
    if (part.length > 0) require(part.length == whole.length, "what is complete early is the same whole");
    if (part.length > 0 || part.rejected) break;
    require(whole.length == 0 || size < whole.length, "a complete head is seen as soon as it is there");
  }
  check_path(input);
}

std::vector<std::string> seeds() {
  return {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
          "POST /v2/models/m/infer?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
          "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: 3\r\n\r\n",
          "POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
          "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\nX:\ty \r\n\r\n",
          "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
          "/v2/models/%6d-1.x_y/versions/%2e%2E",
          "/a//b/..%00"};
}

}  // namespace pilotlight::fuzz
