// Which versions of which resources this API server serves.
//
// Thread-safety: immutable once made.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/error.h"
#include "operator/kube/resource.h"

namespace pilotlight::kube {

class Client;

// "v1" before "v1beta2" before "v1beta1" before "v1alpha1"; within one, the higher number first.
bool NewerVersion(std::string_view a, std::string_view b);

class ServedApis {
 public:
  ServedApis() = default;
  explicit ServedApis(std::vector<Resource> resources) : resources_(std::move(resources)) {}

  // The newest served version of, say, ("policy", "poddisruptionbudgets"). None: not served.
  std::optional<Resource> Newest(std::string_view group, std::string_view plural) const;
  // Newest among `understood`, e.g. {"v1", "v1beta1"}: for resources whose fields differ between versions.
  std::optional<Resource> Newest(std::string_view group, std::string_view plural,
                                 std::span<const std::string_view> understood) const;

 private:
  std::vector<Resource> resources_;
};

// Asks for the groups named, "" for core. A group that the server does not have is no error.
Result<ServedApis> Discover(Client& client, std::span<const std::string_view> groups,
                            const std::stop_token& stop);

}  // namespace pilotlight::kube
