#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "common/http/limits.h"
#include "common/http/message.h"

namespace pilotlight::http {

// A small HTTP/1.1 server for health and metrics: one thread of its own, bounded heads, bodies, times and
// connections (see Limits).
//
// Thread-safe. The handler runs on the server's thread, one request at a time, and must not block for long;
// an exception from it is answered 500. Destruction stops the server and joins its thread.
class Server {
 public:
  using Handler = std::function<Response(const Request&)>;

  // address: "host:port" with an IP literal or localhost, "[v6]:port", or ":port" for every interface. Port 0
  // lets the system choose.
  Server(std::string address, Handler handler, Limits limits = {});
  ~Server();

  // Binds and begins to answer. The error says what address could not be had, and why.
  std::expected<void, std::string> start();

  // Closes the port and every connection; returns when the thread has ended. Harmless twice.
  void stop();

  // The port that it listens on, once started.
  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::http
