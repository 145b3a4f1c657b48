// Which kind of object, as the API server's paths name it. Thread-safety: plain values.
#pragma once

#include <string>
#include <string_view>

namespace pilotlight::kube {

struct Resource {
  std::string group;    // empty: core
  std::string version;  // "v1"
  std::string plural;   // "replicasets"
  std::string kind;     // "ReplicaSet"
  bool namespaced = true;

  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
};

// Resources whose version every supported server (1.20 to 1.36) serves. For the others, ask ServedApis.
inline Resource ConfigMaps() {
  return {"", "v1", "configmaps", "ConfigMap", true};
}
inline Resource Pods() {
  return {"", "v1", "pods", "Pod", true};
}
inline Resource Services() {
  return {"", "v1", "services", "Service", true};
}
inline Resource ReplicaSets() {
  return {"apps", "v1", "replicasets", "ReplicaSet", true};
}
inline Resource Secrets() {
  return {"", "v1", "secrets", "Secret", true};
}
inline Resource Leases() {
  return {"coordination.k8s.io", "v1", "leases", "Lease", true};
}

}  // namespace pilotlight::kube
