#include "common/http/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <format>

#include "common/http/message.h"

namespace pilotlight::http::testing {

std::string Answer::field(std::string_view name) const {
  for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    const auto line = std::string_view(head).substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const auto colon = line.find(": ");
    if (colon != std::string_view::npos && same_name(line.substr(0, colon), name)) {
      return std::string(line.substr(colon + 2));
    }
  }
  return {};
}

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
}

RawClient::~RawClient() {
  close();
}

void RawClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

Answer RawClient::read(bool head_only) {
  const auto more = [this] {
    char buffer[16384];
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) in_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  };
  std::size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return {};
  }
  Answer answer{.head = in_.substr(0, end + 2)};
  in_.erase(0, end + 4);
  std::from_chars(answer.head.data() + 9, answer.head.data() + 12, answer.status);
  answer.closed = answer.field("connection") == "close";
  const auto length = answer.field("content-length");
  const std::size_t body = head_only || length.empty() ? 0 : std::stoul(length);
  while (in_.size() < body) {
    if (!more()) return {};
  }
  answer.body = in_.substr(0, body);
  in_.erase(0, body);
  return answer;
}

bool RawClient::closed_by_server() {
  char byte = 0;
  if (!in_.empty()) return false;
  const auto got = ::recv(fd_, &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

Answer call(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body,
            std::string_view extra_fields) {
  RawClient client(port);
  std::string request = std::format("{} {} HTTP/1.1\r\nhost: test\r\n{}", method, target, extra_fields);
  if (!body.empty() || method == "POST")
    std::format_to(std::back_inserter(request), "content-length: {}\r\n", body.size());
  client.send(request + "\r\n");
  client.send(body);
  return client.read(method == "HEAD");
}

}  // namespace pilotlight::http::testing
