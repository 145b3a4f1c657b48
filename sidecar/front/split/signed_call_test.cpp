#include "sidecar/front/split/signed_call.h"

#include <gmock/gmock.h>

#include "common/text/base64.h"
#include "sidecar/front/split/operator_for_test.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::OperatorForTest;

const Identity kPod{.name = "digits", .namespace_ = "default", .revision = "r1", .pod_uid = "uid-1"};
const std::chrono::system_clock::time_point kNow =
    std::chrono::sys_days(std::chrono::year(2026) / 11 / 26) + std::chrono::hours(2);

class SignedCallTest : public ::testing::Test {
 protected:
  std::expected<SignedCall, CallRefusal> read(std::string_view envelope,
                                              std::chrono::system_clock::time_point now = kNow) const {
    return read_signed_call(envelope, keys_, "PUT /drain", kPod, now);
  }
  json good() const { return OperatorForTest::payload("PUT /drain", kPod, 7, {{"a", 1}}, kNow); }
  template <class F>
  std::string changed(F change) const {
    auto payload = good();
    change(payload);
    return operator_.sign(payload);
  }
  void expect_refused(std::string_view envelope, unsigned status, const std::string& why,
                      std::chrono::system_clock::time_point now = kNow) const {
    const auto call = read(envelope, now);
    ASSERT_FALSE(call) << why;
    EXPECT_EQ(call.error().status, status) << call.error().message;
    EXPECT_THAT(call.error().message, HasSubstr(why));
  }

  OperatorForTest operator_;
  std::vector<signature::PublicKey> keys_{operator_.signer.public_key()};
};

TEST_F(SignedCallTest, WhatTheOperatorHasSignedForThisPodIsRead) {
  const auto call = read(operator_.sign(good()));
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->epoch, 7);
  EXPECT_EQ(call->body, (json{{"a", 1}}));
}

TEST_F(SignedCallTest, TheSameBodyHasTheSameDigestWhenSignedAgainAndNoOtherHas) {
  const auto first = read(operator_.sign(good()))->digest;
  EXPECT_EQ(read(changed([](json& p) { p["issuedAt"] = FormatTime(kNow + seconds(1)); }))->digest, first);
  EXPECT_NE(read(changed([](json& p) { p["body"]["a"] = 2; }))->digest, first);
  const auto elsewhere = OperatorForTest::payload("PUT /split", kPod, 7, {{"a", 1}}, kNow);
  EXPECT_NE(read_signed_call(operator_.sign(elsewhere), keys_, "PUT /split", kPod, kNow)->digest, first);
}

TEST_F(SignedCallTest, AnyOfTheKeysIsEnoughAndWithoutKeysNobodyMayDoAnything) {
  keys_.insert(keys_.begin(), signature::testing::Signer().public_key());
  EXPECT_TRUE(read(operator_.sign(good())));
  keys_.clear();
  expect_refused(operator_.sign(good()), 403, "no public key of an operator");
}

TEST_F(SignedCallTest, WhatIsNotSignedOrBySomebodyElseIsRefused) {
  expect_refused("", 401, "must be signed by the operator");
  expect_refused(good().dump(), 401, "must be signed by the operator");
  expect_refused(OperatorForTest().sign(good()), 401, "none by the key sha256:");
  auto envelope = json::parse(operator_.sign(good()));
  envelope["payload"] = EncodeBase64(good().dump() + " ");
  expect_refused(envelope.dump(), 401, "none by the key sha256:");
}

TEST_F(SignedCallTest, WhatWasSignedAsSomethingElseIsRefused) {
  expect_refused(operator_.sign(good(), "application/vnd.in-toto+json"), 401, "what is signed is");
}

TEST_F(SignedCallTest, WhatIsMeantForAnotherPodRevisionOrCallIsRefused) {
  expect_refused(changed([](json& p) { p["podUID"] = "uid-2"; }), 403, R"(podUID is "uid-2")");
  expect_refused(changed([](json& p) { p["revision"] = "r2"; }), 403, R"(revision is "r2")");
  expect_refused(changed([](json& p) { p["call"] = "PUT /split"; }), 403, R"(call is "PUT /split")");
  for (const char* field : {"podUID", "revision", "call"}) {
    expect_refused(changed([&](json& p) { p.erase(field); }), 403, std::string("has no ") + field);
    expect_refused(changed([&](json& p) { p[field] = 7; }), 403, std::string("has no ") + field);
  }
}

TEST_F(SignedCallTest, ACallHoldsForFiveMinutesAtMost) {
  EXPECT_TRUE(read(operator_.sign(good()), kNow + minutes(5) - seconds(1)));
  expect_refused(operator_.sign(good()), 403, "held until 2026-11-26T02:05:00Z", kNow + minutes(5));
  expect_refused(changed([](json& p) { p["expiresAt"] = FormatTime(kNow + minutes(5) + seconds(1)); }), 403,
                 "within 5min");
  expect_refused(changed([](json& p) { p["expiresAt"] = p["issuedAt"]; }), 403, "end later than it begins");
  expect_refused(changed([](json& p) { p["expiresAt"] = "tomorrow"; }), 403, "is not an RFC 3339 time");
  expect_refused(changed([](json& p) { p.erase("issuedAt"); }), 403, "is not an RFC 3339 time");
}

TEST_F(SignedCallTest, AnOperatorWhoseClockIsALittleAheadIsHeard) {
  EXPECT_TRUE(read(operator_.sign(good()), kNow - kCallSkew));
  expect_refused(operator_.sign(good()), 403, "set the clocks", kNow - kCallSkew - seconds(1));
}

TEST_F(SignedCallTest, WhatIsSignedButNoCallIsRefused) {
  expect_refused(operator_.sign(json::array()), 400, "not a JSON object");
  for (const json& epoch : {json(), json(0), json(-1), json(1.5), json("7")}) {
    expect_refused(changed([&](json& p) { p["epoch"] = epoch; }), 400, "epoch is not a positive whole");
  }
  for (const json& body : {json(), json(7), json::array()}) {
    expect_refused(changed([&](json& p) { p["body"] = body; }), 400, "body is not an object");
  }
}

}  // namespace
}  // namespace pilotlight::front
