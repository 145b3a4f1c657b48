#pragma once

// A client that sends exactly the bytes it is told to, for tests of what no library would send.

#include <cstdint>
#include <string>
#include <string_view>

namespace pilotlight::http::testing {

struct Answer {
  int status = 0;  // 0: the connection ended without an answer
  std::string head;
  std::string body;
  bool closed = false;  // the server said "connection: close"

  // The value of a header field, or "".
  std::string field(std::string_view name) const;
};

// Blocking, with a limit of ten seconds on each wait. Not thread-safe.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False when the server has closed the connection.
  bool send(std::string_view bytes);
  // Reads one answer by its Content-Length. head_only: to a HEAD request, or an interim answer.
  Answer read(bool head_only = false);
  // True when the server closes the connection without sending anything more.
  bool closed_by_server();
  void close();

 private:
  int fd_;
  std::string in_;
};

// One request on a connection of its own.
Answer call(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body = {},
            std::string_view extra_fields = {});

}  // namespace pilotlight::http::testing
