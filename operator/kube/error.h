// What can go wrong between us and the API server. A closed list: callers switch over it.
// Thread-safety: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace pilotlight::kube {

enum class ErrorCode : std::uint8_t {
  Conflict,         // 409, somebody else was there first: read again
  AlreadyExists,    // 409, the name is taken
  NotFound,         // 404
  Gone,             // 410, or a Status that says Expired: that resourceVersion is no more
  TooManyRequests,  // 429: come back after retry_after
  Timeout,          // our deadline or the server's (408, 504) passed; a write may have happened
  Canceled,         // we were told to stop
  Transport,        // no connection, TLS, a cut answer; a write may have happened
  Decode,           // an answer that we do not understand
  Unauthorized,     // 401
  Forbidden,        // 403
  Invalid,          // 400, 405, 415, 422: the request is wrong, and would be wrong again
  Server,           // 5xx
};
std::string_view ToString(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::Transport;
  int http_status = 0;  // 0: there was no answer
  std::string reason;   // of the API server's Status, such as AlreadyExists; may be empty
  std::string message;  // for people
  std::optional<std::chrono::seconds> retry_after;
};

template <typename T>
using Result = std::expected<T, Error>;

// What an answer that is not 2xx means. `body` is a Status object, or anything else.
Error ErrorFromResponse(int http_status, std::string_view body, std::string_view retry_after_header);

// Whether the server may have done what we asked, although we got no good answer.
inline bool MayHaveHappened(const Error& error) {
  return error.code == ErrorCode::Timeout || error.code == ErrorCode::Transport ||
         error.code == ErrorCode::Canceled || error.code == ErrorCode::Server ||
         error.code == ErrorCode::Decode;
}

// One line for logs and conditions: "Conflict (409): the object has been modified".
std::string Describe(const Error& error);

}  // namespace pilotlight::kube
