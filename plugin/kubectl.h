#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

// What this plugin asks of the cluster, it asks by kubectl: contexts, credentials and proxies are then just
// those of the command that the user typed.
//
// Thread-safety: one thread.
namespace pilotlight::plugin {

class Kubectl {
 public:
  // `flags` are kubectl's own, before every verb: namespace, context, kubeconfig.
  explicit Kubectl(std::vector<std::string> flags) : flags_(std::move(flags)) {}

  // `kubectl get … -o json`. Throws std::runtime_error with kubectl's own words.
  nlohmann::json get(const std::vector<std::string>& what) const;
  // `kubectl patch modeldeployment NAME --type TYPE`. Throws the same.
  void patch(const std::string& name, const std::string& type, const nlohmann::json& patch) const;
  // Calls `seen` with the ModelDeployment as it is, and again at each change, until that returns false (then
  // true is returned) or `timeout` has passed (false). Throws when kubectl says that there is no such object,
  // or the like.
  bool watch(const std::string& name, std::chrono::steady_clock::duration timeout,
             const std::function<bool(const nlohmann::json&)>& seen) const;

 private:
  std::vector<std::string> with_flags(const std::vector<std::string>& arguments) const;

  std::vector<std::string> flags_;
};

}  // namespace pilotlight::plugin
