#include "operator/kube/discovery.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <tuple>

#include "operator/kube/client.h"

namespace pilotlight::kube {
namespace {

using nlohmann::json;

// (stability, major, minor): v1 = (3,1,0), v2beta1 = (2,2,1), v1alpha3 = (1,1,3); anything else = (0,0,0).
std::tuple<int, int, int> Rank(std::string_view version) {
  constexpr std::tuple<int, int, int> kUnknown{0, 0, 0};
  if (!version.starts_with('v')) return kUnknown;
  const char* const last = version.data() + version.size();
  int major = 0;
  const auto [at, failure] = std::from_chars(version.data() + 1, last, major);
  if (failure != std::errc()) return kUnknown;
  if (at == last) return {3, major, 0};
  std::string_view rest(at, last);
  const int stability = rest.starts_with("beta") ? 2 : rest.starts_with("alpha") ? 1 : 0;
  if (stability == 0) return kUnknown;
  rest.remove_prefix(stability == 2 ? 4 : 5);
  int minor = 0;
  const auto [end, bad] = std::from_chars(rest.data(), last, minor);
  if (bad != std::errc() || end != last) return kUnknown;
  return {stability, major, minor};
}

Error NotUnderstood(const std::string& where, const std::string& why) {
  return {.code = ErrorCode::Decode, .message = where + ": " + why};
}

void ReadResources(const json& list, const std::string& group, const std::string& version,
                   std::vector<Resource>& resources) {
  for (const json& item : list.value("resources", json::array())) {
    const std::string name = item.value("name", "");
    if (name.empty() || name.contains('/')) continue;  // a subresource
    resources.push_back({group, version, name, item.value("kind", ""), item.value("namespaced", false)});
  }
}

Result<std::vector<std::string>> VersionsOf(Client& client, const std::string& group,
                                            const std::stop_token& stop) {
  if (group.empty()) return std::vector<std::string>{"v1"};
  const std::string target = "/apis/" + group;
  const auto body = client.GetRaw(target, stop);
  if (!body && body.error().code == ErrorCode::NotFound) return std::vector<std::string>{};
  if (!body) return std::unexpected(body.error());
  std::vector<std::string> versions;
  try {
    // Named, for GCC 14 does not keep what a range's temporaries hold.
    const json group_document = json::parse(*body);
    for (const json& version : group_document.at("versions")) versions.push_back(version.at("version"));
  } catch (const json::exception& e) {
    return std::unexpected(NotUnderstood(target, e.what()));
  }
  return versions;
}

}  // namespace

bool NewerVersion(std::string_view a, std::string_view b) {
  return Rank(a) > Rank(b);
}

std::optional<Resource> ServedApis::Newest(std::string_view group, std::string_view plural) const {
  return Newest(group, plural, {});
}

std::optional<Resource> ServedApis::Newest(std::string_view group, std::string_view plural,
                                           std::span<const std::string_view> understood) const {
  const Resource* best = nullptr;
  for (const Resource& resource : resources_) {
    if (resource.group != group || resource.plural != plural) continue;
    if (!understood.empty() && std::ranges::find(understood, resource.version) == understood.end()) continue;
    if (best == nullptr || NewerVersion(resource.version, best->version)) best = &resource;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

Result<ServedApis> Discover(Client& client, std::span<const std::string_view> groups,
                            const std::stop_token& stop) {
  std::vector<Resource> resources;
  for (const std::string_view name : groups) {
    const std::string group(name);
    const auto versions = VersionsOf(client, group, stop);
    if (!versions) return std::unexpected(versions.error());
    for (const std::string& version : *versions) {
      const std::string target = group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
      const auto body = client.GetRaw(target, stop);
      if (!body && body.error().code == ErrorCode::NotFound) continue;  // withdrawn since we were told of it
      if (!body) return std::unexpected(body.error());
      try {
        ReadResources(json::parse(*body), group, version, resources);
      } catch (const json::exception& e) {
        return std::unexpected(NotUnderstood(target, e.what()));
      }
    }
  }
  return ServedApis(std::move(resources));
}

}  // namespace pilotlight::kube
