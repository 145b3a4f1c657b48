#include "operator/kube/testing/scripted_transport.h"

#include <condition_variable>

namespace pilotlight::kube {

Result<HttpResponse> ScriptedTransport::Call(const HttpRequest& request, const CallOptions& /*options*/,
                                             const std::stop_token& stop) {
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
  }
  if (stop.stop_requested()) return std::unexpected(Error{.code = ErrorCode::Canceled, .message = "stopped"});
  auto response = answer_(request);
  if (response && (response->status < 200 || response->status > 299)) {
    return std::unexpected(ErrorFromResponse(response->status, response->body, ""));
  }
  return response;
}

Result<void> ScriptedTransport::Stream(const HttpRequest& request, const StreamOptions& /*options*/,
                                       const LineSink& sink, const std::stop_token& stop) {
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
  }
  if (streamed_) return streamed_(request, sink, stop);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
  return std::unexpected(Error{.code = ErrorCode::Canceled, .message = "stopped"});
}

std::vector<HttpRequest> ScriptedTransport::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

Error StatusError(int http_status, const std::string& reason, const std::string& message) {
  return ErrorFromResponse(http_status,
                           R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":")" + reason +
                               R"(","message":")" + message + R"(","code":)" + std::to_string(http_status) +
                               "}",
                           "");
}

}  // namespace pilotlight::kube
