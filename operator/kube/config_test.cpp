#include "operator/kube/config.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace pilotlight::kube {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string name = (fs::temp_directory_path() / "kube-config-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~ConfigTest() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  static std::string Kubeconfig(const std::string& cluster, const std::string& user) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
           "contexts: [{name: main, context: {cluster: c, user: u, namespace: team}}]\n"
           "clusters: [{name: c, cluster: {" +
           cluster +
           "}}]\n"
           "users: [{name: u, user: {" +
           user + "}}]\n";
  }
  std::expected<Config, std::string> Load(const std::string& cluster, const std::string& user = "token: t") {
    return LoadConfig({.kubeconfig = Write("config", Kubeconfig(cluster, user))});
  }

  fs::path folder_;
};

TEST_F(ConfigTest, ReadsTheCurrentContext) {
  const auto config = Load("server: https://h:6443/", "token: secret");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->server, "https://h:6443");
  EXPECT_EQ(config->token, "secret");
  EXPECT_EQ(config->ns, "team");
  EXPECT_FALSE(config->insecure_skip_tls_verify);
}

TEST_F(ConfigTest, DataWinsOverFiles) {
  const auto config =
      Load("server: https://h, certificate-authority: none, certificate-authority-data: UEVN");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->ca.data, "PEM");
  EXPECT_EQ(config->ca.file, "");
}

TEST_F(ConfigTest, FilesAreRelativeToTheirKubeconfig) {
  Write("pki/ca.crt", "PEM");
  Write("pki/me.crt", "PEM");
  Write("pki/me.key", "PEM");
  const auto config = Load("server: https://h, certificate-authority: pki/ca.crt",
                           "client-certificate: pki/me.crt, client-key: ./pki/me.key");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->ca.file, (folder_ / "pki/ca.crt").string());
  EXPECT_EQ(fs::weakly_canonical(config->client_key.file), folder_ / "pki/me.key");
}

TEST_F(ConfigTest, OfSeveralFilesTheFirstToNameSomethingWins) {
  const std::string first = Write("a", Kubeconfig("server: https://first", "token: t"));
  const std::string second = Write(
      "b",
      "current-context: other\n"
      "clusters: [{name: c, cluster: {server: https://second}}, {name: d, cluster: {server: https://d}}]\n"
      "contexts: [{name: other, context: {cluster: d, user: u}}]\n");
  const auto list = first + ":" + (folder_ / "missing").string() + ":" + second;
  const auto config = LoadConfig({.environment = {{"KUBECONFIG", list}}});
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->server, "https://first");
  const auto other = LoadConfig({.context = "other", .environment = {{"KUBECONFIG", list}}});
  ASSERT_TRUE(other) << other.error();
  EXPECT_EQ(other->server, "https://d");
  EXPECT_EQ(other->token, "t");
  EXPECT_EQ(other->ns, "default");
}

TEST_F(ConfigTest, ReadsAnExecPlugin) {
  const auto config =
      Load("server: https://h",
           "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, args: [a, 'b c'],"
           " env: [{name: X, value: '1'}], installHint: 'get it'}");
  ASSERT_TRUE(config) << config.error();
  ASSERT_TRUE(config->exec);
  EXPECT_EQ(fs::weakly_canonical(config->exec->command), folder_ / "bin/login");
  EXPECT_EQ(config->exec->args, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(config->exec->env[0].first, "X");
}

TEST_F(ConfigTest, ReadsHowToVerify) {
  const auto config = Load("server: https://h, tls-server-name: name, insecure-skip-tls-verify: true");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->tls_server_name, "name");
  EXPECT_TRUE(config->insecure_skip_tls_verify);
}

TEST_F(ConfigTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Load("server: h").error(), HasSubstr("cluster c: server must be"));
  EXPECT_THAT(Load("server: https://h, proxy-url: http://p").error(), HasSubstr("proxy-url"));
  EXPECT_THAT(Load("server: https://h, certificate-authority-data: '%'").error(), HasSubstr("not base64"));
  EXPECT_THAT(Load("server: https://h, certificate-authority: nope").error(), HasSubstr("cannot be read"));
  EXPECT_THAT(Load("server: https://h", "client-key-data: UEVN").error(), HasSubstr("needs"));
  EXPECT_THAT(Load("server: https://h", "auth-provider: {name: gcp}").error(), HasSubstr("exec plugin"));
  const std::string path = Write("config", Kubeconfig("server: https://h", "token: t"));
  EXPECT_THAT(LoadConfig({.kubeconfig = path, .context = "other"}).error(),
              HasSubstr("no context \"other\""));
  EXPECT_THAT(LoadConfig({.kubeconfig = path + "x"}).error(), HasSubstr("cannot be read"));
}

TEST_F(ConfigTest, AnErrorInTheYamlDoesNotShowTheYaml) {
  const auto config = LoadConfig({.kubeconfig = Write("config", "users:\n- user: {token: secret\n- x: [")});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(), HasSubstr("line "));
  EXPECT_THAT(config.error(), testing::Not(HasSubstr("secret")));
}

TEST_F(ConfigTest, TextWhereAMapIsExpectedIsAnError) {
  const std::string rest =
      "current-context: c\n"
      "clusters: [{name: k, cluster: {server: 'http://a'}}]\n"
      "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
  EXPECT_TRUE(LoadConfig({.kubeconfig = Write("config", rest + "users: [{name: u, user: text}]")}))
      << "nothing in it: no credentials";
  EXPECT_FALSE(LoadConfig({.kubeconfig = Write("config", rest + "users: [{name: u, user: {exec: text}}]")}));
  EXPECT_FALSE(LoadConfig({.kubeconfig = Write("config", rest + "users: [text]")}));
}

TEST_F(ConfigTest, InAPodTheServiceAccountSpeaks) {
  Write("sa/token", "t");
  Write("sa/ca.crt", "PEM");
  Write("sa/namespace", "mine");
  ConfigSource source{
      .service_account = (folder_ / "sa").string(),
      .environment = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}}};
  const auto config = LoadConfig(source);
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->server, "https://10.0.0.1:443");
  EXPECT_EQ(config->token_file, (folder_ / "sa/token").string());
  EXPECT_EQ(config->ca.file, (folder_ / "sa/ca.crt").string());
  EXPECT_EQ(config->ns, "mine");
  source.environment["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  EXPECT_EQ(LoadConfig(source)->server, "https://kubernetes.default.svc:443");
}

TEST_F(ConfigTest, APodWithoutAServiceAccountIsToldSo) {
  const auto config = LoadConfig({.service_account = (folder_ / "sa").string(),
                                  .environment = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}}});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(), HasSubstr("service account"));
}

TEST_F(ConfigTest, WithNothingAtAllItSaysWhereItLooked) {
  const auto config = LoadConfig({.environment = {{"HOME", folder_.string()}}});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(), HasSubstr("--kubeconfig"));
}

}  // namespace
}  // namespace pilotlight::kube
