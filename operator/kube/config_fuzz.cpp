// A kubeconfig: whatever is in it, there is a configuration or an error.

#include <sys/mman.h>
#include <unistd.h>

#include "common/fuzz/fuzz.h"
#include "operator/kube/config.h"

namespace pilotlight::fuzz {

void run(std::string_view input) {
  static const int kFile = ::memfd_create("kubeconfig", MFD_CLOEXEC);
  require(::ftruncate(kFile, 0) == 0 &&
              ::pwrite(kFile, input.data(), input.size(), 0) == static_cast<ssize_t>(input.size()),
          "there is a file");
  const auto config = kube::LoadConfig({.kubeconfig = "/proc/self/fd/" + std::to_string(kFile)});
  if (!config) return require(presentable(config.error(), 4096), "an error can be shown");
  require(config->server.starts_with("http://") || config->server.starts_with("https://"),
          "a server is a URL");
  require(config->client_certificate.empty() == config->client_key.empty(),
          "a certificate comes with its key");
  if (config->exec) require(!config->exec->command.empty(), "a plugin has a command");
}

std::vector<std::string> seeds() {
  return {
      "current-context: c\n"
      "clusters:\n- name: k\n  cluster: {server: 'https://a:1/', certificate-authority-data: YWJj}\n"
      "users:\n- name: u\n  user:\n    token: t\n    exec: {apiVersion: v1, command: ./x, args: [a], env: "
      "[{name: n, value: v}]}\n"
      "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: n}\n",
      "current-context: c\nclusters: [{name: k, cluster: {server: 'http://a'}}]\n"
      "users: [{name: u, user: text}]\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n",
      "current-context: c\nclusters: [{name: k, cluster: {server: 'http://a'}}]\n"
      "users: [{name: u, user: {exec: text, client-key-data: YQ==, client-certificate-data: YQ==}}]\n"
      "contexts: [{name: c, context: {cluster: k, user: u}}]\n"};
}

}  // namespace pilotlight::fuzz
