#include "operator/kube/auth_transport.h"

#include "operator/kube/credentials.h"

namespace pilotlight::kube {
namespace {

class AuthTransport final : public Transport {
 public:
  AuthTransport(std::unique_ptr<Transport> transport, std::unique_ptr<Credentials> credentials)
      : transport_(std::move(transport)), credentials_(std::move(credentials)) {}

  Result<HttpResponse> Call(const HttpRequest& request, const CallOptions& options,
                            const std::stop_token& stop) override {
    return Retried<HttpResponse>(request, [&](const HttpRequest& signed_request) {
      return transport_->Call(signed_request, options, stop);
    });
  }

  Result<void> Stream(const HttpRequest& request, const StreamOptions& options, const LineSink& sink,
                      const std::stop_token& stop) override {
    // A stream that was refused has given the sink nothing.
    return Retried<void>(request, [&](const HttpRequest& signed_request) {
      return transport_->Stream(signed_request, options, sink, stop);
    });
  }

 private:
  template <typename T>
  Result<T> Retried(const HttpRequest& request, const auto& send) {
    auto first = Signed<T>(request, send);
    if (first || first.error().code != ErrorCode::Unauthorized || !credentials_->Refused()) return first;
    return Signed<T>(request, send);
  }

  template <typename T>
  Result<T> Signed(HttpRequest request, const auto& send) {
    auto header = credentials_->Header();
    if (!header) {
      return std::unexpected(Error{.code = ErrorCode::Unauthorized, .message = std::move(header).error()});
    }
    if (!header->empty()) request.headers.emplace_back("Authorization", std::move(*header));
    return send(request);
  }

  const std::unique_ptr<Transport> transport_;
  const std::unique_ptr<Credentials> credentials_;
};

}  // namespace

std::unique_ptr<Transport> WithCredentials(std::unique_ptr<Transport> transport,
                                           std::unique_ptr<Credentials> credentials) {
  return std::make_unique<AuthTransport>(std::move(transport), std::move(credentials));
}

}  // namespace pilotlight::kube
