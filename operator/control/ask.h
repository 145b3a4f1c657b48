#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

// One call to one sidecar's admin port.
namespace pilotlight::control {

struct Question {
  std::string ip;  // IPv4 or IPv6
  std::uint16_t port = 0;
  std::string call;  // "GET /status", "PUT /split"
  std::string body = {};
  std::chrono::milliseconds timeout{};  // for the whole of it
  std::size_t answer_limit = 0;         // bytes; a longer answer counts as none
};

struct Answer {
  unsigned status = 0;  // of HTTP; 0: there is no answer
  std::string body;
  std::string error;  // why there is no answer, in words that name no address; else empty
};

// Calls by plain HTTP and with no proxy between: a pod is never behind the cluster's. Returns at once;
// `answered` is called by the thread that runs `io`, once, or never if `io` is stopped before. Redirects are
// not followed.
void Ask(boost::asio::io_context& io, Question question, std::function<void(Answer)> answered);

}  // namespace pilotlight::control
