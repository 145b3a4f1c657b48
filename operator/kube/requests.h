// Builds requests, and sends none: what goes over the wire is decided here and tested as text.
//
// Thread-safety: pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "operator/kube/http.h"
#include "operator/kube/key.h"
#include "operator/kube/resource.h"

namespace pilotlight::kube {

// Our name in managedFields.
inline constexpr std::string_view kFieldManager = "pilotlight";

struct ListQuery {
  std::string label_selector = {};
  std::string field_selector = {};
  std::optional<std::string> resource_version = {};  // none: the newest (a quorum read)
  int limit = 0;                                     // 0: no paging
  std::string continue_token = {};
};
// ns empty: all namespaces.
HttpRequest ListRequest(const Resource& resource, std::string_view ns, const ListQuery& query);

struct WatchQuery {
  std::string label_selector = {};
  std::string field_selector = {};
  std::string resource_version = {};
  std::chrono::seconds timeout{300};  // the server ends the watch after it
};
// Always with bookmarks.
HttpRequest WatchRequest(const Resource& resource, std::string_view ns, const WatchQuery& query);

HttpRequest GetRequest(const Resource& resource, const Key& key);
HttpRequest CreateRequest(const Resource& resource, std::string_view ns, std::string body);

struct ApplyOptions {
  std::string subresource = {};  // "status", "scale"
  std::string field_manager{kFieldManager};
  bool force = true;
};
// Server-side apply. `body` is JSON with apiVersion, kind, metadata.name and only the fields that we own.
HttpRequest ApplyRequest(const Resource& resource, const Key& key, std::string body,
                         const ApplyOptions& options);

// RFC 7386. `subresource` may be empty.
HttpRequest MergePatchRequest(const Resource& resource, const Key& key, std::string body,
                              std::string_view subresource = {});
// PUT of the whole object; with metadata.resourceVersion in it, refused (Conflict) if anybody wrote since.
HttpRequest ReplaceRequest(const Resource& resource, const Key& key, std::string body,
                           std::string_view subresource = {});

enum class Propagation { Background, Foreground, Orphan };
struct DeleteOptions {
  std::string uid = {};               // deletes only this one: always give it
  std::string resource_version = {};  // and only in this version
  Propagation propagation = Propagation::Background;
  std::optional<std::chrono::seconds> grace = {};
};
HttpRequest DeleteRequest(const Resource& resource, const Key& key, const DeleteOptions& options);

}  // namespace pilotlight::kube
