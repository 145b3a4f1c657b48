// Calls on objects, for those who write. Reads that are made more than once belong into an Informer.
//
// Bodies go in and come out as JSON text. Nothing is retried here: the work queue does that, and knows how.
// Thread-safety: as its transport: all members may be called from any thread.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>

#include "operator/kube/error.h"
#include "operator/kube/key.h"
#include "operator/kube/requests.h"
#include "operator/kube/resource.h"
#include "operator/kube/transport.h"

namespace pilotlight::kube {

// An object as the server answered with it.
struct Written {
  std::string uid;
  std::string resource_version;
  std::string body;  // all of it
};

class Client {
 public:
  // The transport must outlive the client.
  explicit Client(Transport& transport, std::chrono::milliseconds deadline = std::chrono::seconds(30));

  // The same calls with another deadline each.
  Client WithDeadline(std::chrono::milliseconds deadline) const { return Client(transport_, deadline); }

  Result<Written> Get(const Resource& resource, const Key& key, const std::stop_token& stop);
  // The body of any path of ours, such as "/apis".
  Result<std::string> GetRaw(std::string_view target, const std::stop_token& stop);
  // One page from a quorum read: for rare questions only.
  Result<std::string> List(const Resource& resource, std::string_view ns, const ListQuery& query,
                           const std::stop_token& stop);

  // May have happened although it failed (MayHaveHappened); then the next try answers AlreadyExists: read the
  // object and look at its owner.
  Result<Written> Create(const Resource& resource, std::string_view ns, std::string body,
                         const std::stop_token& stop);
  Result<Written> Apply(const Resource& resource, const Key& key, std::string body,
                        const ApplyOptions& options, const std::stop_token& stop);
  Result<Written> MergePatch(const Resource& resource, const Key& key, std::string body,
                             std::string_view subresource, const std::stop_token& stop);
  Result<Written> Replace(const Resource& resource, const Key& key, std::string body,
                          std::string_view subresource, const std::stop_token& stop);
  // NotFound is an error like any other: the caller decides that it is what was wanted.
  Result<void> Delete(const Resource& resource, const Key& key, const DeleteOptions& options,
                      const std::stop_token& stop);

 private:
  Result<Written> Write(const HttpRequest& request, const std::stop_token& stop);

  Transport& transport_;
  CallOptions options_;
};

}  // namespace pilotlight::kube
