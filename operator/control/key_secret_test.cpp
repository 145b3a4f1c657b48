#include "operator/control/key_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "common/log/log.h"
#include "common/text/base64.h"
#include "common/time/fake_clock.h"
#include "operator/kube/client.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const kube::Key kSecret{"pilotlight-system", kKeySecret};

// An API server with one Secret, or none.
class KeySecretTest : public ::testing::Test {
 protected:
  KeySecretTest() : transport_([this](const kube::HttpRequest& request) { return Answer(request); }) {
    log::Configure({.level = log::Level::Debug, .sink = [this](std::string_view line) {
                      const std::scoped_lock lock(mutex_);
                      log_ += std::string(line) + "\n";
                    }});
  }
  ~KeySecretTest() override { log::Configure({}); }

  kube::Result<kube::HttpResponse> Answer(const kube::HttpRequest& request) {
    const std::scoped_lock lock(mutex_);
    if (!errors_.empty()) {
      const kube::Error error = errors_.back();
      errors_.pop_back();
      return std::unexpected(error);
    }
    if (request.method == "GET") {
      if (!secret_) return std::unexpected(kube::StatusError(404, "NotFound"));
      return kube::HttpResponse{200, secret_->dump()};
    }
    if (others_first_) secret_ = std::exchange(others_first_, std::nullopt);
    if (secret_) return std::unexpected(kube::StatusError(409, "AlreadyExists"));
    secret_ = json::parse(request.body);
    (*secret_)["metadata"]["namespace"] = kSecret.ns;
    (*secret_)["metadata"]["uid"] = "u";
    (*secret_)["metadata"]["resourceVersion"] = "1";
    return kube::HttpResponse{201, secret_->dump()};
  }
  static json Secret(const json& entries) {
    json data = json::object();
    for (const auto& [name, text] : entries.items()) data[name] = EncodeBase64(text.get<std::string>());
    return {{"metadata",
             {{"name", kSecret.name}, {"namespace", kSecret.ns}, {"uid", "u"}, {"resourceVersion", "1"}}},
            {"data", data}};
  }
  OperatorKeys Obtain() { return ObtainKeys(client_, kSecret, clock_, stop_.get_token()); }
  std::vector<std::string> Asked() const {
    std::vector<std::string> out;
    for (const auto& request : transport_.requests()) out.push_back(request.method + " " + request.target);
    return out;
  }

  std::mutex mutex_;
  std::string log_;
  std::vector<kube::Error> errors_;   // answers, from the back
  std::optional<json> secret_;        // that is there
  std::optional<json> others_first_;  // that another makes just before we do
  FakeClock clock_;
  kube::ScriptedTransport transport_;
  kube::Client client_{transport_};
  std::stop_source stop_;
};

constexpr char kPath[] = "/api/v1/namespaces/pilotlight-system/secrets";

TEST_F(KeySecretTest, IsMadeIfThereIsNoneAndReadAfterwards) {
  const OperatorKeys keys = Obtain();
  ASSERT_TRUE(keys.signing);
  EXPECT_THAT(Asked(), ElementsAre(std::string("GET ") + kPath + "/" + kKeySecret,
                                   HasSubstr(std::string("POST ") + kPath)));
  EXPECT_EQ(keys.published, (std::map<std::string, std::string>{{kSigningKey, keys.signing->PublicPem()}}));
  const OperatorKeys again = Obtain();
  ASSERT_TRUE(again.signing);
  EXPECT_EQ(again.published, keys.published);
  EXPECT_EQ(Asked().size(), 3U) << "the second time it was only read";
  // Nobody who reads the log learns the key.
  const std::string pem = keys.signing->PrivatePem();
  EXPECT_THAT(log_,
              AllOf(HasSubstr(kKeySecret), Not(HasSubstr("PRIVATE")), Not(HasSubstr(pem.substr(30, 40)))));
}

TEST_F(KeySecretTest, OfTwoThatStartAtOnceBothHaveTheKeyOfTheFirst) {
  const auto key = OperatorKey::Make();
  others_first_ = Secret({{kSigningKey, key->PrivatePem()}});
  const OperatorKeys keys = Obtain();
  ASSERT_TRUE(keys.signing);
  EXPECT_EQ(keys.signing->PublicPem(), key->PublicPem());
}

TEST_F(KeySecretTest, AllItsKeysArePublishedAndOneSigns) {
  const auto now = OperatorKey::Make();
  const auto before = OperatorKey::Make();
  const auto next = OperatorKey::Make();
  secret_ = Secret({{kSigningKey, now->PrivatePem()},
                    {"before.pem", before->PrivatePem()},
                    {"next.pem", next->PublicPem()},
                    {"broken.pem", "garbage"},
                    {"note.txt", before->PublicPem()}});
  const OperatorKeys keys = Obtain();
  ASSERT_TRUE(keys.signing);
  EXPECT_EQ(keys.signing->PublicPem(), now->PublicPem());
  EXPECT_EQ(keys.published, (std::map<std::string, std::string>{{kSigningKey, now->PublicPem()},
                                                                {"before.pem", before->PublicPem()},
                                                                {"next.pem", next->PublicPem()}}));
  EXPECT_THAT(log_, HasSubstr("broken.pem"));
}

TEST_F(KeySecretTest, NoMoreKeysArePublishedThanASidecarReads) {
  json entries = {{kSigningKey, OperatorKey::Make()->PrivatePem()}};
  for (int i = 0; i < 20; ++i) entries["a" + std::to_string(i) + ".pem"] = OperatorKey::Make()->PublicPem();
  secret_ = Secret(entries);
  const OperatorKeys keys = Obtain();
  EXPECT_EQ(keys.published.size(), 16U);
  EXPECT_TRUE(keys.published.contains(kSigningKey));
}

TEST_F(KeySecretTest, OneThatHoldsNoUsableKeyIsLeftAloneAndTheLogSaysWhatToDo) {
  json not_base64 = Secret(json::object());
  not_base64["data"][kSigningKey] = "%%%";
  json no_data = Secret(json::object());
  no_data.erase("data");
  json list = no_data;
  list["data"] = json::array({"x"});
  for (const json& secret :
       {Secret(json::object()), Secret({{"tls.key", OperatorKey::Make()->PrivatePem()}}),
        Secret({{kSigningKey, "my secret words"}}), Secret({{kSigningKey, OperatorKey::Make()->PublicPem()}}),
        Secret({{"next.pem", OperatorKey::Make()->PrivatePem()}}), not_base64, no_data, list}) {
    secret_ = secret;
    log_.clear();
    const OperatorKeys keys = Obtain();
    EXPECT_FALSE(keys.signing) << secret;
    EXPECT_THAT(keys.published, IsEmpty());
    EXPECT_EQ(secret_, secret);
    EXPECT_THAT(log_, AllOf(HasSubstr("pilotlight-system/pilotlight-operator-key"), HasSubstr(kSigningKey),
                            HasSubstr("openssl genpkey"), Not(HasSubstr("my secret words"))));
  }
  for (const std::string& call : Asked()) EXPECT_THAT(call, HasSubstr("GET"));
}

TEST_F(KeySecretTest, IsAskedForAgainWhereACallFails) {
  errors_ = {kube::StatusError(500, "InternalError"), kube::StatusError(403, "Forbidden")};
  std::jthread time([this] {
    for (int i = 0; i < 2; ++i) {
      clock_.AwaitWaiters(1);
      clock_.Advance(std::chrono::seconds(2));
    }
  });
  EXPECT_TRUE(Obtain().signing);
}

TEST_F(KeySecretTest, IsReadAfterAllIfItWasMadeAlthoughTheCallFailed) {
  others_first_ = Secret({{kSigningKey, OperatorKey::Make()->PrivatePem()}});
  errors_ = {kube::StatusError(504, "Timeout"), kube::StatusError(404, "NotFound")};
  std::jthread time([this] {
    clock_.AwaitWaiters(1);
    clock_.Advance(std::chrono::seconds(2));
  });
  EXPECT_TRUE(Obtain().signing);
}

TEST_F(KeySecretTest, TheOperatorGoesOnWithoutAfterHalfAMinute) {
  errors_.assign(100, kube::StatusError(403, "Forbidden", "secrets are forbidden"));
  std::jthread time([this] {
    for (int i = 0; i < 14; ++i) {
      clock_.AwaitWaiters(1);
      clock_.Advance(std::chrono::seconds(2));
    }
  });
  EXPECT_FALSE(Obtain().signing);
  EXPECT_EQ(Asked().size(), 15U);
  EXPECT_THAT(log_, AllOf(HasSubstr("no traffic can be split"), HasSubstr("secrets are forbidden"),
                          HasSubstr("remedy")));
}

TEST_F(KeySecretTest, NobodyWaitsForItAfterAStop) {
  errors_.assign(100, kube::StatusError(500, "InternalError"));
  std::jthread end([this] {
    clock_.AwaitWaiters(1);
    stop_.request_stop();
  });
  EXPECT_FALSE(Obtain().signing);
  EXPECT_EQ(Asked().size(), 1U);
}

}  // namespace
}  // namespace pilotlight::control
