// Where the API server is, whom to trust there and who we are.
//
// Thread-safety: plain values.
#pragma once

#include <chrono>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pilotlight::kube {

// PEM, given in place or as a file that is read again for new connections (certificates rotate).
struct PemSource {
  std::string data;  // wins over `file`
  std::string file;
  bool empty() const { return data.empty() && file.empty(); }
};

// A program that hands out credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;
  std::string command;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string install_hint;
};

struct Config {
  std::string server;           // "https://10.0.0.1:6443", without a trailing slash
  std::string tls_server_name;  // to verify, instead of the host of `server`
  bool insecure_skip_tls_verify = false;
  PemSource ca;
  PemSource client_certificate;
  PemSource client_key;
  std::string token;       // loses against `token_file`
  std::string token_file;  // read again every minute
  std::string username;    // basic authentication
  std::string password;
  std::optional<ExecPlugin> exec;
  std::string ns = "default";  // the context's, or the pod's own
};

// What to read. Every field's default is what kubectl does.
struct ConfigSource {
  std::string kubeconfig;  // a path, or a list of them parted by ':'. Empty: $KUBECONFIG
  std::string context;     // empty: current-context
  // The folder of the service account; with $KUBERNETES_SERVICE_HOST set and no kubeconfig named, it is used.
  std::string service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::map<std::string, std::string> environment;
};

// In order: the kubeconfig named, $KUBECONFIG, the pod's service account, ~/.kube/config.
// The error says which file, what in it, and what to do.
std::expected<Config, std::string> LoadConfig(const ConfigSource& source);

// The process's environment, for ConfigSource.
std::map<std::string, std::string> ProcessEnvironment();

}  // namespace pilotlight::kube
