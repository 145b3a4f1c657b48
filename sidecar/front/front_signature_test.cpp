// Signed models, unsigned ones, and those that somebody else has signed.

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <format>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/server.h"
#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::kInfer;
using testing::ScriptedLauncher;
using OnLoad = testing::ScriptedLauncher::OnLoad;

class FrontSignature : public testing::FrontTest {
 protected:
  FrontSignature() {
    config_.signature = SignatureDemand{.uri = config_.uri + ".sig", .keys = {signer_.public_key()}};
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::trunc) << text;
  }
  void sign(const signature::testing::Signer& signer) const {
    write("digits.tar.sig", signature::testing::sign_model(signer, digest_));
  }
  json await_failure() const { return await_phase("Failed")["failure"]; }

  // Of "the model".
  const std::string digest_ = "sha256:36cc7e3d6f6200756c81e18470827e9dac1c602fcd87761cbb0b8f015611c098";
  signature::testing::Signer signer_;
};

TEST_F(FrontSignature, AModelThatATrustedKeyHasSignedServesAndTheProofNamesTheKey) {
  sign(signer_);
  run_until_ready();
  EXPECT_EQ(status()["digest"], digest_);
  EXPECT_EQ(status()["proof"]["signature"],
            (json{{"keyId", signer_.public_key().id()}, {"subject", "digits.tar"}}));
  EXPECT_FALSE(status()["proof"].contains("warnings"));
}

TEST_F(FrontSignature, MachineCodeOfSomebodyKnownIsGivenToAnEngine) {
  config_.load.format = wire::ModelFormat::kAotInductor;
  sign(signer_);
  run_until_ready();
  EXPECT_EQ(status()["proof"]["signature"]["keyId"], signer_.public_key().id());
}

TEST_F(FrontSignature, MachineCodeThatSomebodyElseHasSignedIsRefused) {
  config_.load.format = wire::ModelFormat::kAotInductor;
  sign(signature::testing::Signer());
  run();
  EXPECT_EQ(await_failure()["reason"], "SignatureInvalid");
}

TEST_F(FrontSignature, AnUnsignedModelIsRefusedAndNoEngineSeesIt) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kDies; });  // would be another failure
  const auto failure = await_failure();
  EXPECT_EQ(failure["class"], "Revision");
  EXPECT_EQ(failure["reason"], "SignatureMissing");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("digits.tar.sig' does not exist"));
  EXPECT_EQ(status()["final"], true);
  EXPECT_EQ(script_->serves, 0);
}

TEST_F(FrontSignature, AModelThatSomebodyElseHasSignedIsRefused) {
  sign(signature::testing::Signer("P-256"));
  run([](ScriptedLauncher& script) { script.check = OnLoad::kDies; });
  const auto failure = await_failure();
  EXPECT_EQ(failure["class"], "Revision");
  EXPECT_EQ(failure["reason"], "SignatureInvalid");
  EXPECT_EQ(failure["phase"], "Fetching");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("digits.tar.sig' has 1 signature, none by"));
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr(signer_.public_key().id()));
}

TEST_F(FrontSignature, TheSignatureOfAnotherModelIsRefusedAndBothDigestsAreShown) {
  sign(signer_);
  write("digits.tar", "another model");
  run();
  const auto failure = await_failure();
  EXPECT_EQ(failure["reason"], "SignatureInvalid");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("signs " + digest_));
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("the model has sha256:"));
}

TEST_F(FrontSignature, APodOfAProvenRevisionSpeaksOnlyForItself) {
  config_.pinned = digest_;
  run();
  EXPECT_EQ(await_failure()["class"], "Pod");
  stop();
  std::filesystem::remove_all(options_.state);
  sign(signature::testing::Signer());
  run();
  EXPECT_EQ(await_failure()["class"], "Pod");
  EXPECT_EQ(status()["failure"]["reason"], "SignatureInvalid");
}

TEST_F(FrontSignature, ASignatureThatCannotBeHadNowIsWaitedFor) {
  std::atomic<bool> up = false;
  http::Server server("127.0.0.1:0", [&](const http::Request& request) {
    if (!request.target.ends_with(".sig")) return http::Response{.body = "the model", .content_type = "a/b"};
    if (!up) return http::error(503, "later");
    return http::Response{.body = signature::testing::sign_model(signer_, digest_), .content_type = "a/b"};
  });
  ASSERT_TRUE(server.start());
  config_.uri = std::format("http://127.0.0.1:{}/digits.tar", server.port());
  config_.signature->uri = config_.uri + ".sig";
  run();
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "FetchFailed");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(),
              HasSubstr("digits.tar.sig': the server answers 503"));
  up = true;
  EXPECT_TRUE(await_phase("Ready")["proof"].contains("signature"));
}

TEST_F(FrontSignature, WhereAWarningIsEnoughItServesWithOne) {
  config_.signature->required = false;
  run([](ScriptedLauncher& script) { script.proof["warnings"] = {"one"}; });
  auto proof = await_phase("Ready")["proof"];
  EXPECT_FALSE(proof.contains("signature"));
  ASSERT_EQ(proof["warnings"].size(), 2);
  EXPECT_THAT(proof["warnings"][1].get<std::string>(), ::testing::StartsWith("SignatureMissing: '"));
  stop();
  std::filesystem::remove_all(options_.state);
  sign(signature::testing::Signer());
  run();
  proof = await_phase("Ready")["proof"];
  EXPECT_THAT(proof["warnings"][0].get<std::string>(), ::testing::StartsWith("SignatureInvalid: '"));
  stop();
  std::filesystem::remove_all(options_.state);
  sign(signer_);
  run();
  proof = await_phase("Ready")["proof"];
  EXPECT_TRUE(proof.contains("signature"));
  EXPECT_FALSE(proof.contains("warnings"));
}

TEST_F(FrontSignature, WhereAWarningIsEnoughAStoreThatIsDownIsOneToo) {
  http::Server server("127.0.0.1:0", [](const http::Request&) { return http::error(503, "later"); });
  ASSERT_TRUE(server.start());
  config_.signature->required = false;
  config_.signature->uri = std::format("http://127.0.0.1:{}/digits.tar.sig", server.port());
  run();
  const auto proof = await_phase("Ready")["proof"];
  EXPECT_THAT(proof["warnings"][0].get<std::string>(), ::testing::StartsWith("FetchFailed: '"));
}

TEST_F(FrontSignature, AnotherEnginesProofNamesTheKeyAsWell) {
  sign(signer_);
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kCrash)).status, 503);
  const auto now = await_restarted(1);
  EXPECT_EQ(now["proof"]["signature"]["keyId"], signer_.public_key().id());
}

TEST_F(FrontSignature, ARestartedFrontVerifiesAgain) {
  sign(signer_);
  run_until_ready();
  stop();
  // What has passed the check is not checked again; but who may sign has changed.
  config_.signature->keys = {signature::testing::Signer().public_key()};
  run();
  EXPECT_EQ(await_failure()["reason"], "SignatureInvalid");
  EXPECT_EQ(script_->checks, 0);
}

TEST_F(FrontSignature, ARestartedFrontNeedsTheStoreForNothing) {
  sign(signer_);
  run_until_ready();
  stop();
  std::filesystem::remove(folder_ / "digits.tar");
  std::filesystem::remove(folder_ / "digits.tar.sig");
  run();
  EXPECT_TRUE(await_phase("Ready")["proof"].contains("signature"));
}

TEST_F(FrontSignature, StagedBytesThatWereChangedAreNotBelieved) {
  sign(signer_);
  run_until_ready();
  stop();
  const auto staged = options_.state / "artifact" / "model";
  std::filesystem::permissions(staged, std::filesystem::perms::owner_all);
  std::ofstream(staged) << "evil";
  std::filesystem::remove(folder_ / "digits.tar");
  run();
  EXPECT_EQ(await_phase("Retrying")["failure"]["reason"], "NotFound") << "fetched again";
}

TEST_F(FrontSignature, MachineCodeOfNobodyIsNotEvenFetched) {
  config_.load.format = wire::ModelFormat::kAotInductor;
  const std::vector<std::optional<SignatureDemand>> demands = {
      std::nullopt,
      SignatureDemand{.required = false, .uri = config_.uri + ".sig", .keys = {signer_.public_key()}},
      SignatureDemand{.required = true, .uri = config_.uri + ".sig", .keys = {}}};
  for (const auto& demand : demands) {
    config_.signature = demand;
    run();
    const auto failure = await_phase("Failed")["failure"];
    EXPECT_EQ(failure["class"], "Revision");
    EXPECT_EQ(failure["reason"], "SignatureMissing");
    EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("machine code"));
    EXPECT_EQ(script_->checks, 0);
    stop();
    std::filesystem::remove_all(options_.state);
  }
}

}  // namespace
}  // namespace pilotlight::front
