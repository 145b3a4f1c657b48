#include "sidecar/engine/kills/store.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <format>
#include <stdexcept>

namespace pilotlight::engine::testing {
namespace {

// The head of a request; empty if the other side has gone.
std::string read_head(int connection) {
  std::string head;
  char buffer[4096];
  while (!head.contains("\r\n\r\n")) {
    const auto got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) return {};
    head.append(buffer, static_cast<std::size_t>(got));
  }
  return head;
}

std::size_t range_of(std::string_view head) {
  constexpr std::string_view kRange = "Range: bytes=";
  const auto at = head.find(kRange);
  std::size_t from = 0;
  if (at != std::string_view::npos) {
    std::from_chars(head.data() + at + kRange.size(), head.data() + head.size(), from);
  }
  return from;
}

}  // namespace

Store::Store(std::string file)
    : file_(std::move(file)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 16) != 0) {
    throw std::runtime_error("no port for the store");
  }
  thread_ = std::jthread([this] { accept(); });
}

Store::~Store() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  go_on();
  connections_.clear();
  ::close(listener_);
}

std::string Store::uri() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  return std::format("http://127.0.0.1:{}/model.tar", ntohs(address.sin_port));
}

void Store::hold() {
  const std::scoped_lock lock(mutex_);
  held_ = true;
}

void Store::go_on() {
  const std::scoped_lock lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void Store::remove() {
  const std::scoped_lock lock(mutex_);
  removed_ = true;
}

void Store::upload() {
  const std::scoped_lock lock(mutex_);
  removed_ = false;
}

std::vector<std::string> Store::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

void Store::accept() {
  for (;;) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    connections_.emplace_back([this, connection] {
      serve(connection);
      ::close(connection);
    });
  }
}

bool Store::send(int connection, std::string_view bytes) const {
  while (!bytes.empty()) {
    const auto sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// One request to a connection.
void Store::serve(int connection) {
  const std::string head = read_head(connection);
  if (head.empty()) return;
  const std::size_t from = range_of(head);
  bool removed = false;
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(from == 0 ? "whole" : std::format("from {}", from));
    removed = removed_;
  }
  if (removed) {
    send(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const std::string_view body = std::string_view(file_).substr(from);
  const std::string status = from == 0 ? "200 OK"
                                       : std::format("206 Partial Content\r\nContent-Range: bytes {}-{}/{}",
                                                     from, file_.size() - 1, file_.size());
  const std::size_t first = from < half() ? half() - from : 0;
  if (!send(connection,
            std::format("HTTP/1.1 {}\r\nETag: \"1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        status, body.size())) ||
      !send(connection, body.substr(0, first))) {
    return;
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_; });
  }
  send(connection, body.substr(first));
}

}  // namespace pilotlight::engine::testing
