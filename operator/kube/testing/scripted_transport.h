// An API server of a few lines, for unit tests: it answers what the test says, and remembers what it was
// asked.
//
// Thread-safety: all members may be called from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "operator/kube/transport.h"

namespace pilotlight::kube {

class ScriptedTransport final : public Transport {
 public:
  using Answer = std::function<Result<HttpResponse>(const HttpRequest&)>;
  // Streams: gives lines to the sink and says how it ended. Default: waits until it is stopped.
  using Streamed = std::function<Result<void>(const HttpRequest&, const LineSink&, const std::stop_token&)>;

  explicit ScriptedTransport(Answer answer, Streamed streamed = {})
      : answer_(std::move(answer)), streamed_(std::move(streamed)) {}

  Result<HttpResponse> Call(const HttpRequest& request, const CallOptions& options,
                            const std::stop_token& stop) override;
  Result<void> Stream(const HttpRequest& request, const StreamOptions& options, const LineSink& sink,
                      const std::stop_token& stop) override;

  std::vector<HttpRequest> requests() const;

 private:
  Answer answer_;
  Streamed streamed_;
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
};

// {"kind":"Status",…} as the API server answers with it.
Error StatusError(int http_status, const std::string& reason, const std::string& message = "scripted");

}  // namespace pilotlight::kube
