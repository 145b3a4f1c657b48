// How requests reach the API server. The only door: everything above it is tested with a scripted one
// (testing/scripted_transport.h).
//
// Thread-safety: implementations may be called from any thread. Calls block the caller, and only the caller.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string_view>

#include "operator/kube/error.h"
#include "operator/kube/http.h"

namespace pilotlight::kube {

struct CallOptions {
  // From the call to the last byte of the answer. Default: 30 s.
  std::chrono::milliseconds deadline{30000};
  // A longer answer is a Decode error. Default: 256 MiB, for unpaged lists served from the watch cache.
  std::size_t body_limit = std::size_t{256} << 20U;
};

struct StreamOptions {
  // How long the stream may be silent before it is called dead: Timeout. Default: 10 min.
  std::chrono::milliseconds idle_timeout{600000};
  // A longer line ends the stream with a Decode error. Default: 16 MiB (etcd's objects are at most 1.5 MB).
  std::size_t line_limit = std::size_t{16} << 20U;
};

// Gets one line without its newline. Called one at a time, in order, from a thread of the transport, while
// Stream blocks its caller. Must not throw. False ends the stream.
using LineSink = std::function<bool(std::string_view line)>;

class Transport {
 public:
  virtual ~Transport() = default;
  // An answer outside 2xx is an error (ErrorFromResponse).
  virtual Result<HttpResponse> Call(const HttpRequest& request, const CallOptions& options,
                                    const std::stop_token& stop) = 0;
  // Returns when the stream has ended: with a value when the server ended it after a whole line or the sink
  // said stop. A last line that was cut is dropped, and is not an error.
  virtual Result<void> Stream(const HttpRequest& request, const StreamOptions& options, const LineSink& sink,
                              const std::stop_token& stop) = 0;
};

}  // namespace pilotlight::kube
