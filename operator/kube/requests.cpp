#include "operator/kube/requests.h"

#include <nlohmann/json.hpp>

namespace pilotlight::kube {
namespace {

// RFC 3986: everything but the unreserved characters.
std::string Encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      result += c;
    } else {
      result += '%';
      result += kHex[byte >> 4U];
      result += kHex[byte & 15U];
    }
  }
  return result;
}

class Target {
 public:
  Target(const Resource& resource, std::string_view ns) {
    text_ = resource.group.empty() ? "/api/" + resource.version
                                   : "/apis/" + resource.group + "/" + resource.version;
    if (!ns.empty()) Segment("namespaces").Segment(ns);
    Segment(resource.plural);
  }
  Target& Segment(std::string_view segment) {
    if (!segment.empty()) text_ += "/" + Encode(segment);
    return *this;
  }
  Target& Query(std::string_view name, std::string_view value) {
    text_ += mark_;
    mark_ = '&';
    text_ += std::string(name) + "=" + Encode(value);
    return *this;
  }
  Target& QueryUnlessEmpty(std::string_view name, std::string_view value) {
    return value.empty() ? *this : Query(name, value);
  }
  std::string text() const { return text_; }

 private:
  std::string text_;
  char mark_ = '?';
};

Target ObjectTarget(const Resource& resource, const Key& key) {
  return Target(resource, key.ns).Segment(key.name);
}

HttpRequest WithBody(std::string method, const Target& target, std::string type, std::string body) {
  return {std::move(method),
          target.text(),
          {{"Accept", "application/json"}, {"Content-Type", std::move(type)}},
          std::move(body)};
}

HttpRequest Read(const Target& target) {
  return {"GET", target.text(), {{"Accept", "application/json"}}, {}};
}

std::string_view ToString(Propagation propagation) {
  switch (propagation) {
    case Propagation::Background:
      return "Background";
    case Propagation::Foreground:
      return "Foreground";
    case Propagation::Orphan:
      return "Orphan";
  }
  return "Background";
}

}  // namespace

HttpRequest ListRequest(const Resource& resource, std::string_view ns, const ListQuery& query) {
  Target target(resource, ns);
  target.QueryUnlessEmpty("labelSelector", query.label_selector);
  target.QueryUnlessEmpty("fieldSelector", query.field_selector);
  if (query.limit > 0) target.Query("limit", std::to_string(query.limit));
  // A continued list has its version inside the token; naming one beside it is refused.
  if (!query.continue_token.empty()) {
    target.Query("continue", query.continue_token);
  } else if (query.resource_version) {
    target.Query("resourceVersion", *query.resource_version);
  }
  return Read(target);
}

HttpRequest WatchRequest(const Resource& resource, std::string_view ns, const WatchQuery& query) {
  Target target(resource, ns);
  target.Query("watch", "true").Query("allowWatchBookmarks", "true");
  target.QueryUnlessEmpty("labelSelector", query.label_selector);
  target.QueryUnlessEmpty("fieldSelector", query.field_selector);
  target.Query("resourceVersion", query.resource_version);
  target.Query("timeoutSeconds", std::to_string(query.timeout.count()));
  return Read(target);
}

HttpRequest GetRequest(const Resource& resource, const Key& key) {
  return Read(ObjectTarget(resource, key));
}

HttpRequest CreateRequest(const Resource& resource, std::string_view ns, std::string body) {
  Target target(resource, ns);
  target.Query("fieldManager", kFieldManager);
  return WithBody("POST", target, "application/json", std::move(body));
}

HttpRequest ApplyRequest(const Resource& resource, const Key& key, std::string body,
                         const ApplyOptions& options) {
  Target target = ObjectTarget(resource, key).Segment(options.subresource);
  target.Query("fieldManager", options.field_manager);
  target.Query("force", options.force ? "true" : "false");
  return WithBody("PATCH", target, "application/apply-patch+yaml", std::move(body));
}

HttpRequest MergePatchRequest(const Resource& resource, const Key& key, std::string body,
                              std::string_view subresource) {
  Target target = ObjectTarget(resource, key).Segment(subresource);
  target.Query("fieldManager", kFieldManager);
  return WithBody("PATCH", target, "application/merge-patch+json", std::move(body));
}

HttpRequest ReplaceRequest(const Resource& resource, const Key& key, std::string body,
                           std::string_view subresource) {
  Target target = ObjectTarget(resource, key).Segment(subresource);
  target.Query("fieldManager", kFieldManager);
  return WithBody("PUT", target, "application/json", std::move(body));
}

HttpRequest DeleteRequest(const Resource& resource, const Key& key, const DeleteOptions& options) {
  nlohmann::json body{
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", ToString(options.propagation)}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) body["preconditions"]["resourceVersion"] = options.resource_version;
  if (options.grace) body["gracePeriodSeconds"] = options.grace->count();
  return WithBody("DELETE", ObjectTarget(resource, key), "application/json", body.dump());
}

}  // namespace pilotlight::kube
