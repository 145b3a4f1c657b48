#include "common/http/head.h"

#include <algorithm>
#include <format>

#include "common/http/message.h"

namespace pilotlight::http {
namespace {

Scan reject(unsigned status, std::string message) {
  return {.rejected = Rejection{status, std::move(message)}};
}

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// What the framing fields said, to be judged together.
struct Framing {
  int hosts = 0;
  int lengths = 0;
  int encodings = 0;
  std::string_view length;
};

std::optional<Rejection> check_request_line(std::string_view line, bool& http11) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || line.find(' ', first + 1) != last) {
    return Rejection{400, "the request line is not 'method target HTTP/1.1'"};
  }
  const auto version = line.substr(last + 1);
  if (!is_token(line.substr(0, first))) return Rejection{400, "the method is not a token"};
  if (has_control(line.substr(first + 1, last - first - 1))) {
    return Rejection{400, "the request target holds a control character"};
  }
  http11 = version == "HTTP/1.1";
  if (http11 || version == "HTTP/1.0") return {};
  if (version.starts_with("HTTP/")) return Rejection{505, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  return Rejection{400, "the request line is not 'method target HTTP/1.1'"};
}

std::optional<Rejection> check_field(std::string_view line, Framing& framing) {
  if (line.front() == ' ' || line.front() == '\t') {
    return Rejection{400, "a header line is folded; write each on one line"};
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return Rejection{400, "a header line is not 'name: value'"};
  }
  const auto name = line.substr(0, colon);
  const auto value = trim(line.substr(colon + 1));
  if (has_control(value)) return Rejection{400, std::format("the header {} holds a control character", name)};
  if (same_name(name, "host")) ++framing.hosts;
  if (same_name(name, "transfer-encoding")) ++framing.encodings;
  if (same_name(name, "content-length")) {
    ++framing.lengths;
    framing.length = value;
  }
  return {};
}

std::optional<Rejection> check_framing(const Framing& framing, bool http11, std::string_view method) {
  if (framing.hosts > 1 || (http11 && framing.hosts == 0))
    return Rejection{400, "exactly one Host header is needed"};
  if (framing.lengths > 1) return Rejection{400, "Content-Length is there more than once"};
  if (framing.lengths == 1 && framing.encodings > 0) {
    return Rejection{400, "Content-Length and Transfer-Encoding exclude each other"};
  }
  if (framing.lengths == 1 &&
      (framing.length.empty() || framing.length.size() > 18 ||
       !std::ranges::all_of(framing.length, [](char c) { return c >= '0' && c <= '9'; }))) {
    return Rejection{400, "Content-Length is not a number of bytes"};
  }
  if (framing.encodings > 0) {
    return Rejection{411, "chunked bodies are not accepted; send Content-Length"};
  }
  if (framing.lengths == 0 && (method == "POST" || method == "PUT" || method == "PATCH")) {
    return Rejection{400, "Content-Length is missing"};
  }
  return {};
}

}  // namespace

Scan scan_head(std::string_view received, const Limits& limits) {
  Framing framing;
  bool http11 = false;
  std::string_view method;
  for (std::size_t start = 0; true;) {
    const bool first = start == 0;
    const auto end = received.find('\n', start);
    const auto line_bytes = (end == std::string_view::npos ? received.size() : end) - start;
    // The request line's other two words are short: past its limit by more than them, it is the target.
    if (first && line_bytes > limits.target_bytes + 32) {
      return reject(414, std::format("the request target is longer than {} bytes", limits.target_bytes));
    }
    if (line_bytes > limits.field_bytes) {
      return reject(431, std::format("a header line is longer than {} bytes", limits.field_bytes));
    }
    if (std::min(received.size(), end) > limits.head_bytes) {
      return reject(431, std::format("the headers are longer than {} bytes together", limits.head_bytes));
    }
    if (end == std::string_view::npos) return {};
    if (line_bytes == 0 || received[end - 1] != '\r') return reject(400, "a line does not end in CR LF");
    const auto line = received.substr(start, line_bytes - 1);
    start = end + 1;
    if (line.contains('\r')) return reject(400, "a line holds a lone CR");
    if (first) {
      if (auto bad = check_request_line(line, http11)) return {.rejected = std::move(bad)};
      method = line.substr(0, line.find(' '));
      if (line.rfind(' ') - line.find(' ') - 1 > limits.target_bytes) {
        return reject(414, std::format("the request target is longer than {} bytes", limits.target_bytes));
      }
      continue;
    }
    if (line.empty()) {
      if (auto bad = check_framing(framing, http11, method)) return {.rejected = std::move(bad)};
      return {.length = start};
    }
    if (auto bad = check_field(line, framing)) return {.rejected = std::move(bad)};
  }
}

}  // namespace pilotlight::http
