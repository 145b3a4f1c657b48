#include "operator/kube/config.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/text/base64.h"
#include "common/text/printable.h"

namespace pilotlight::kube {
namespace {

namespace fs = std::filesystem;
using Text = std::expected<std::string, std::string>;

Text ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::unexpected(path.string() + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

// Looking for a name in what is no map throws.
YAML::Node Child(const YAML::Node& node, const char* name) {
  return node.IsMap() ? node[name] : YAML::Node(YAML::NodeType::Undefined);
}

std::string Field(const YAML::Node& node, const char* name) {
  const YAML::Node value = Child(node, name);
  return value && value.IsScalar() ? value.Scalar() : std::string();
}

// One entry of clusters, users or contexts, and the folder that its relative paths start from.
struct Entry {
  YAML::Node value;
  fs::path folder;
  std::string file;
};

// Several kubeconfigs as one: who names something first, wins.
struct Merged {
  std::map<std::string, Entry> clusters;
  std::map<std::string, Entry> users;
  std::map<std::string, Entry> contexts;
  std::string current_context;
};

void MergeList(const YAML::Node& root, const char* list, const char* item, const fs::path& path,
               std::map<std::string, Entry>& into) {
  const YAML::Node entries = root[list];
  if (!entries || !entries.IsSequence()) return;
  for (const YAML::Node& entry : entries) {
    const std::string name = Field(entry, "name");
    if (const YAML::Node value = Child(entry, item); !name.empty() && value)
      into.try_emplace(name, Entry{value, path.parent_path(), path.string()});
  }
}

std::expected<void, std::string> MergeFile(const fs::path& path, Merged& merged) {
  const auto text = ReadFile(path);
  if (!text) return std::unexpected("kubeconfig " + text.error());
  try {
    const YAML::Node root = YAML::Load(*text);
    if (root.IsNull()) return {};
    if (!root.IsMap()) return std::unexpected("kubeconfig " + path.string() + ": is not a YAML map");
    MergeList(root, "clusters", "cluster", path, merged.clusters);
    MergeList(root, "users", "user", path, merged.users);
    MergeList(root, "contexts", "context", path, merged.contexts);
    if (merged.current_context.empty()) merged.current_context = Field(root, "current-context");
  } catch (const YAML::Exception& e) {
    // Only the place: the text beside it may be a secret.
    return std::unexpected("kubeconfig " + path.string() + ": is not YAML (line " +
                           std::to_string(e.mark.line + 1) + ")");
  }
  return {};
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ':');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// Files of a list that are not there are passed over, as kubectl does; a single one must be there.
std::expected<Merged, std::string> MergeFiles(const std::vector<std::string>& paths) {
  Merged merged;
  bool any = false;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (paths.size() > 1 && !fs::exists(path, ignored)) continue;
    if (auto done = MergeFile(fs::absolute(path), merged); !done) return std::unexpected(done.error());
    any = true;
  }
  if (!any) return std::unexpected("kubeconfig: none of the files named is there");
  return merged;
}

class Problem {
 public:
  Problem(const Entry& entry, const std::string& what) : where_(entry.file + ": " + Printable(what, 80)) {}
  std::unexpected<std::string> operator()(const std::string& why) const {
    return std::unexpected("kubeconfig " + where_ + ": " + why);
  }

 private:
  std::string where_;
};

// `name`-data (base64) before the file `name`.
std::expected<PemSource, std::string> ReadPem(const Entry& entry, const std::string& name) {
  PemSource pem;
  if (const std::string data = Field(entry.value, (name + "-data").c_str()); !data.empty()) {
    auto decoded = DecodeBase64(data);
    if (!decoded) return std::unexpected(name + "-data is not base64");
    pem.data = std::move(*decoded);
  } else if (const std::string file = Field(entry.value, name.c_str()); !file.empty()) {
    pem.file = (entry.folder / file).string();
    if (::access(pem.file.c_str(), R_OK) != 0)
      return std::unexpected(name + ": " + Printable(pem.file, 512) + " cannot be read");
  }
  return pem;
}

std::expected<void, std::string> ReadCluster(const Entry& entry, const std::string& name, Config& config) {
  const Problem problem(entry, "cluster " + name);
  config.server = Field(entry.value, "server");
  while (config.server.ends_with('/')) config.server.pop_back();
  if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
    return problem("server must be an http:// or https:// URL");
  }
  if (!Field(entry.value, "proxy-url").empty()) return problem("proxy-url is not supported");
  config.tls_server_name = Field(entry.value, "tls-server-name");
  config.insecure_skip_tls_verify = Field(entry.value, "insecure-skip-tls-verify") == "true";
  auto ca = ReadPem(entry, "certificate-authority");
  if (!ca) return problem(ca.error());
  config.ca = std::move(*ca);
  return {};
}

std::expected<void, std::string> ReadExec(const Entry& entry, const Problem& problem, Config& config) {
  const YAML::Node exec = Child(entry.value, "exec");
  if (!exec) return {};
  ExecPlugin plugin{.api_version = Field(exec, "apiVersion"),
                    .command = Field(exec, "command"),
                    .install_hint = Field(exec, "installHint")};
  if (plugin.command.empty()) return problem("exec.command is missing");
  // Without a slash it is looked up on the PATH; with one, it is relative to the kubeconfig.
  if (plugin.command.contains('/')) plugin.command = (entry.folder / plugin.command).string();
  if (const YAML::Node args = Child(exec, "args"); args && args.IsSequence()) {
    for (const YAML::Node& arg : args) plugin.args.push_back(arg.Scalar());
  }
  if (const YAML::Node env = Child(exec, "env"); env && env.IsSequence()) {
    for (const YAML::Node& item : env) plugin.env.emplace_back(Field(item, "name"), Field(item, "value"));
  }
  config.exec = std::move(plugin);
  return {};
}

std::expected<void, std::string> ReadUser(const Entry& entry, const std::string& name, Config& config) {
  const Problem problem(entry, "user " + name);
  if (Child(entry.value, "auth-provider")) {
    return problem("auth-provider was removed from Kubernetes in 1.26; use an exec plugin or a token");
  }
  auto certificate = ReadPem(entry, "client-certificate");
  if (!certificate) return problem(certificate.error());
  auto key = ReadPem(entry, "client-key");
  if (!key) return problem(key.error());
  if (certificate->empty() != key->empty())
    return problem("a client certificate needs its key, and a key its certificate");
  config.client_certificate = std::move(*certificate);
  config.client_key = std::move(*key);
  config.token = Field(entry.value, "token");
  if (const std::string file = Field(entry.value, "tokenFile"); !file.empty()) {
    config.token_file = (entry.folder / file).string();
  }
  config.username = Field(entry.value, "username");
  config.password = Field(entry.value, "password");
  return ReadExec(entry, problem, config);
}

std::expected<Config, std::string> FromKubeconfig(const std::vector<std::string>& paths,
                                                  const std::string& wanted) {
  auto merged = MergeFiles(paths);
  if (!merged) return std::unexpected(merged.error());
  const std::string context_name = wanted.empty() ? merged->current_context : wanted;
  if (context_name.empty()) return std::unexpected("kubeconfig: no current-context is set; name one");
  const auto context = merged->contexts.find(context_name);
  if (context == merged->contexts.end()) {
    return std::unexpected("kubeconfig: there is no context " + Quoted(context_name));
  }
  const Entry& entry = context->second;
  const Problem problem(entry, "context " + context_name);
  const std::string cluster_name = Field(entry.value, "cluster");
  const auto cluster = merged->clusters.find(cluster_name);
  if (cluster == merged->clusters.end()) return problem("there is no cluster " + Quoted(cluster_name));

  Config config;
  if (auto done = ReadCluster(cluster->second, cluster_name, config); !done)
    return std::unexpected(done.error());
  if (const std::string user_name = Field(entry.value, "user"); !user_name.empty()) {
    const auto user = merged->users.find(user_name);
    if (user == merged->users.end()) return problem("there is no user " + Quoted(user_name));
    if (auto done = ReadUser(user->second, user_name, config); !done) return std::unexpected(done.error());
  }
  if (const std::string ns = Field(entry.value, "namespace"); !ns.empty()) config.ns = ns;
  return config;
}

std::string Environment(const ConfigSource& source, const std::string& name) {
  const auto found = source.environment.find(name);
  return found == source.environment.end() ? std::string() : found->second;
}

std::expected<Config, std::string> InCluster(const ConfigSource& source) {
  const fs::path folder(source.service_account);
  std::string host = Environment(source, "KUBERNETES_SERVICE_HOST");
  // The transport cannot connect to IPv6 addresses, only to names. This one is in every API server's
  // certificate.
  if (host.contains(':')) host = "kubernetes.default.svc";
  Config config{.server = "https://" + host + ":" + Environment(source, "KUBERNETES_SERVICE_PORT")};
  config.ca.file = (folder / "ca.crt").string();
  config.token_file = (folder / "token").string();
  for (const std::string& file : {config.ca.file, config.token_file}) {
    if (::access(file.c_str(), R_OK) != 0) {
      return std::unexpected(
          file + ": cannot be read; the pod needs a service account (automountServiceAccountToken)");
    }
  }
  if (auto ns = ReadFile(folder / "namespace"); ns && !ns->empty()) config.ns = *ns;
  return config;
}

}  // namespace

std::expected<Config, std::string> LoadConfig(const ConfigSource& source) {
  if (!source.kubeconfig.empty()) return FromKubeconfig(Split(source.kubeconfig), source.context);
  if (const std::string list = Environment(source, "KUBECONFIG"); !list.empty()) {
    return FromKubeconfig(Split(list), source.context);
  }
  if (!Environment(source, "KUBERNETES_SERVICE_HOST").empty()) return InCluster(source);
  const fs::path home = fs::path(Environment(source, "HOME")) / ".kube" / "config";
  std::error_code ignored;
  if (fs::exists(home, ignored)) return FromKubeconfig({home.string()}, source.context);
  return std::unexpected(
      "no cluster is named: this is no pod with a service account, KUBECONFIG is not set, and there is no " +
      home.string() + "; use --kubeconfig");
}

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> environment;
  for (char** item = environ; item != nullptr && *item != nullptr; ++item) {
    const std::string_view text(*item);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace pilotlight::kube
