#include "operator/kube/client.h"

#include "operator/kube/json.h"

namespace pilotlight::kube {

Client::Client(Transport& transport, std::chrono::milliseconds deadline)
    : transport_(transport), options_{.deadline = deadline} {}

Result<Written> Client::Write(const HttpRequest& request, const std::stop_token& stop) {
  auto response = transport_.Call(request, options_, stop);
  if (!response) return std::unexpected(std::move(response).error());
  JsonBuffer buffer(std::move(response->body));
  auto identity = ReadIdentity(buffer.view());
  if (!identity) {
    return std::unexpected(Error{.code = ErrorCode::Decode,
                                 .http_status = response->status,
                                 .message = request.method + " " + request.target +
                                            ": the answer is not an object: " + identity.error()});
  }
  return Written{std::move(identity->uid), std::move(identity->resource_version),
                 std::string(buffer.view().text)};
}

Result<Written> Client::Get(const Resource& resource, const Key& key, const std::stop_token& stop) {
  return Write(GetRequest(resource, key), stop);
}

Result<std::string> Client::GetRaw(std::string_view target, const std::stop_token& stop) {
  return transport_.Call({"GET", std::string(target), {{"Accept", "application/json"}}, {}}, options_, stop)
      .transform([](HttpResponse response) { return std::move(response.body); });
}

Result<std::string> Client::List(const Resource& resource, std::string_view ns, const ListQuery& query,
                                 const std::stop_token& stop) {
  return transport_.Call(ListRequest(resource, ns, query), options_, stop)
      .transform([](HttpResponse response) { return std::move(response.body); });
}

Result<Written> Client::Create(const Resource& resource, std::string_view ns, std::string body,
                               const std::stop_token& stop) {
  return Write(CreateRequest(resource, ns, std::move(body)), stop);
}

Result<Written> Client::Apply(const Resource& resource, const Key& key, std::string body,
                              const ApplyOptions& options, const std::stop_token& stop) {
  return Write(ApplyRequest(resource, key, std::move(body), options), stop);
}

Result<Written> Client::MergePatch(const Resource& resource, const Key& key, std::string body,
                                   std::string_view subresource, const std::stop_token& stop) {
  return Write(MergePatchRequest(resource, key, std::move(body), subresource), stop);
}

Result<Written> Client::Replace(const Resource& resource, const Key& key, std::string body,
                                std::string_view subresource, const std::stop_token& stop) {
  return Write(ReplaceRequest(resource, key, std::move(body), subresource), stop);
}

Result<void> Client::Delete(const Resource& resource, const Key& key, const DeleteOptions& options,
                            const std::stop_token& stop) {
  return transport_.Call(DeleteRequest(resource, key, options), options_, stop)
      .transform([](const HttpResponse&) {});
}

}  // namespace pilotlight::kube
