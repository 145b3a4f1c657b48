#include "operator/kube/credentials.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/time/fake_clock.h"
#include "operator/kube/auth_transport.h"
#include "operator/kube/exec_plugin.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    std::string name = (fs::temp_directory_path() / "credentials-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~CredentialsTest() override { fs::remove_all(folder_); }
  void WriteToken(const std::string& token) const { std::ofstream(folder_ / "token") << token; }
  std::unique_ptr<Credentials> FromFile() {
    return MakeCredentials({.token_file = (folder_ / "token").string()}, clock_);
  }
  // A plugin that is a shell script.
  ExecPlugin Plugin(const std::string& script) const {
    const fs::path path = folder_ / "plugin";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return {.api_version = "client.authentication.k8s.io/v1", .command = path.string()};
  }

  fs::path folder_;
  FakeClock clock_;
};

TEST_F(CredentialsTest, ATokenFileIsReadAgainEveryMinute) {
  WriteToken("one\n");
  const auto credentials = FromFile();
  EXPECT_EQ(credentials->Header(), "Bearer one");
  WriteToken("two");
  EXPECT_EQ(credentials->Header(), "Bearer one");
  clock_.Advance(60s);
  EXPECT_EQ(credentials->Header(), "Bearer two");
}

TEST_F(CredentialsTest, ATokenFileThatVanishesLeavesTheLastToken) {
  WriteToken("one");
  const auto credentials = FromFile();
  EXPECT_EQ(credentials->Header(), "Bearer one");
  fs::remove(folder_ / "token");
  clock_.Advance(60s);
  EXPECT_EQ(credentials->Header(), "Bearer one");
}

TEST_F(CredentialsTest, ATokenFileThatNeverWasIsNamed) {
  const auto header = FromFile()->Header();
  ASSERT_FALSE(header);
  EXPECT_THAT(header.error(), HasSubstr((folder_ / "token").string()));
}

TEST_F(CredentialsTest, OthersAreWhatTheConfigSays) {
  EXPECT_EQ(MakeCredentials({.token = "t"}, clock_)->Header(), "Bearer t");
  EXPECT_EQ(MakeCredentials({.username = "user", .password = "pass"}, clock_)->Header(),
            "Basic dXNlcjpwYXNz");
  EXPECT_EQ(MakeCredentials({}, clock_)->Header(), "");
}

TEST_F(CredentialsTest, ARefusedTokenIsReadAgainAndTheRequestSentOnceMore) {
  WriteToken("old");
  auto scripted =
      std::make_unique<ScriptedTransport>([this](const HttpRequest& request) -> Result<HttpResponse> {
        if (request.headers.back().second == "Bearer new") return HttpResponse{200, "yes"};
        WriteToken("new");
        return std::unexpected(StatusError(401, "Unauthorized"));
      });
  const ScriptedTransport& seen = *scripted;
  const auto transport = WithCredentials(std::move(scripted), FromFile());
  const auto response = transport->Call({"GET", "/", {}, {}}, {}, {});
  ASSERT_TRUE(response);
  EXPECT_EQ(seen.requests().size(), 2U);
}

TEST_F(CredentialsTest, ATokenThatIsRefusedTwiceIsGivenUp) {
  WriteToken("bad");
  auto scripted = std::make_unique<ScriptedTransport>([](const HttpRequest&) -> Result<HttpResponse> {
    return std::unexpected(StatusError(401, "Unauthorized"));
  });
  const ScriptedTransport& seen = *scripted;
  const auto transport = WithCredentials(std::move(scripted), FromFile());
  const auto response = transport->Call({"GET", "/", {}, {}}, {}, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::Unauthorized);
  EXPECT_EQ(seen.requests().size(), 2U);
}

TEST_F(CredentialsTest, APluginsTokenIsKeptUntilItRunsOut) {
  const auto credentials = MakeCredentials({.exec = Plugin(R"(echo x >>"$0.calls"; n=$(wc -l <"$0.calls")
echo "{\"status\":{\"token\":\"t$n\",\"expirationTimestamp\":\"2026-01-01T00:10:00Z\"}}")")},
                                           clock_);
  EXPECT_EQ(credentials->Header(), "Bearer t1");
  EXPECT_EQ(credentials->Header(), "Bearer t1");
  clock_.Advance(10min - 5s);
  EXPECT_EQ(credentials->Header(), "Bearer t2");
  EXPECT_TRUE(credentials->Refused());
  EXPECT_EQ(credentials->Header(), "Bearer t3");
}

TEST_F(CredentialsTest, APluginGetsItsArgumentsAndEnvironmentWithoutAShell) {
  ExecPlugin plugin =
      Plugin(R"(printf '{"status":{"token":"%s|%s|%s"}}' "$1" "$EXTRA" "${KUBERNETES_EXEC_INFO:+info}")");
  plugin.args = {"a b; $(echo x)"};
  plugin.env = {{"EXTRA", "e"}};
  const auto credential = RunExecPlugin(plugin);
  ASSERT_TRUE(credential) << credential.error();
  EXPECT_EQ(credential->token, "a b; $(echo x)|e|info");
}

TEST_F(CredentialsTest, ALongTokenIsReadWhole) {
  const auto credential = RunExecPlugin(
      Plugin(R"(printf '{"status":{"token":"'; head -c 100000 /dev/zero | tr '\0' a; printf '"}}')"));
  ASSERT_TRUE(credential) << credential.error();
  EXPECT_EQ(credential->token.size(), 100000U);
}

TEST_F(CredentialsTest, APluginThatMisbehavesIsNamedAndWhatItSaidIsNot) {
  EXPECT_THAT(RunExecPlugin(Plugin("echo secret; exit 3")).error(), testing::Not(HasSubstr("secret")));
  EXPECT_THAT(RunExecPlugin(Plugin("echo '{}'")).error(), HasSubstr("status.token"));
  EXPECT_THAT(RunExecPlugin(Plugin("echo '{\"status\":{\"clientCertificateData\":\"x\"}}'")).error(),
              HasSubstr("use tokens"));
  EXPECT_THAT(RunExecPlugin(Plugin("exec sleep 60"), 50ms).error(), HasSubstr("in time"));
  EXPECT_THAT(RunExecPlugin(Plugin("exec cat /dev/zero")).error(), HasSubstr("too long"));
  EXPECT_THAT(RunExecPlugin({.command = "/no/such/plugin", .install_hint = "apt install it"}).error(),
              HasSubstr("apt install it"));
}

}  // namespace
}  // namespace pilotlight::kube
