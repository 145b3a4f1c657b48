#include "sidecar/artifact/signature/verify.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/dsse/dsse.h"
#include "common/text/base64.h"
#include "sidecar/artifact/signature/envelope.h"
#include "sidecar/artifact/signature/signer_for_test.h"

namespace pilotlight::signature {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::Signer;
using ::testing::StartsWith;

const std::string kDigest = "sha256:" + std::string(64, 'a');
const std::string kOther = "sha256:" + std::string(64, 'b');

class VerifyTest : public ::testing::Test {
 protected:
  std::expected<Signed, std::string> ask(const std::string& envelope) const {
    return verify(envelope, kDigest, keys_);
  }
  std::string refusal(const std::string& envelope) const {
    const auto found = ask(envelope);
    return found ? "accepted" : found.error();
  }
  // The good envelope, but for what `change` does to its JSON.
  template <class F>
  std::string changed(F change) const {
    auto document = json::parse(testing::sign_model(signer_, kDigest));
    change(document);
    return document.dump();
  }
  // A signed statement with these subjects.
  std::string of_subjects(json subjects) const {
    auto document = json::parse(testing::statement(kDigest));
    document["subject"] = std::move(subjects);
    return testing::sign_payload(signer_, document.dump());
  }
  static json subject(const std::string& digest, const std::string& name = "m") {
    return {{"name", name}, {"digest", {{"sha256", digest.substr(7)}}}};
  }

  Signer signer_;
  std::vector<PublicKey> keys_{signer_.public_key()};
};

TEST_F(VerifyTest, WhatAKeyOfEitherKindHasSignedIsGood) {
  for (const char* kind : {"Ed25519", "P-256"}) {
    const Signer signer(kind);
    keys_ = {signer.public_key()};
    const auto found = ask(testing::sign_model(signer, kDigest));
    ASSERT_TRUE(found) << kind << " " << found.error();
    EXPECT_EQ(found->key_id, signer.public_key().id());
    EXPECT_EQ(found->subject, "digits.tar");
  }
}

TEST_F(VerifyTest, OneOfSeveralKeysIsEnoughAndIsNamed) {
  const Signer other("P-256");
  keys_ = {other.public_key(), signer_.public_key()};
  EXPECT_EQ(ask(testing::sign_model(signer_, kDigest))->key_id, signer_.public_key().id());
  EXPECT_EQ(ask(testing::sign_model(other, kDigest))->key_id, other.public_key().id());
}

TEST_F(VerifyTest, OneOfSeveralSignaturesIsEnough) {
  const auto payload = testing::statement(kDigest);
  const auto message = dsse::PreAuthenticationEncoding("application/vnd.in-toto+json", payload);
  const std::vector<std::string> signatures = {Signer("P-256").sign(message), "garbage",
                                               signer_.sign(message)};
  EXPECT_TRUE(ask(testing::envelope(payload, signatures)));
}

TEST_F(VerifyTest, AnotherKeyIsRefusedAndTheTrustedOnesAreNamed) {
  const auto why = refusal(testing::sign_model(Signer(), kDigest));
  EXPECT_EQ(why, "has 1 signature, none by the key " + keys_[0].id());
  keys_.push_back(Signer("P-256").public_key());
  EXPECT_THAT(refusal(testing::sign_model(Signer(), kDigest)), HasSubstr("none by any of the keys "));
  keys_.clear();
  EXPECT_FALSE(ask(testing::sign_model(signer_, kDigest))) << "no key, no trust";
}

TEST_F(VerifyTest, WhatTheEnvelopeSaysOfItsKeyIsNoMatter) {
  EXPECT_TRUE(ask(changed([](json& e) { e["signatures"][0]["keyid"] = "sha256:another"; })));
  EXPECT_TRUE(ask(changed([](json& e) { e["signatures"][0]["keyid"] = nullptr; })));
  EXPECT_TRUE(ask(changed([](json& e) { e["signatures"][0].erase("keyid"); })));
  EXPECT_TRUE(ask(changed([](json& e) { e["later"] = {{"field", 1}}; })));
}

TEST_F(VerifyTest, AChangedPayloadTypeOrSignatureIsRefused) {
  const auto none = StartsWith("has 1 signature, none by the key ");
  EXPECT_THAT(
      refusal(changed([](json& e) { e["payload"] = EncodeBase64(testing::statement(kDigest) + " "); })),
      none);
  EXPECT_THAT(refusal(changed([](json& e) { e["payloadType"] = "text/plain"; })), none);
  EXPECT_THAT(
      refusal(changed([](json& e) { e["signatures"][0]["sig"] = EncodeBase64(std::string(64, 'x')); })),
      none);
}

TEST_F(VerifyTest, ASignatureOfThePayloadWithoutItsTypeIsRefused) {
  const auto payload = testing::statement(kDigest);
  const std::string signature = signer_.sign(payload);
  EXPECT_THAT(refusal(testing::envelope(payload, std::span(&signature, 1))), HasSubstr("none by the key"));
}

TEST_F(VerifyTest, AnotherDigestIsRefusedAndBothAreShown) {
  EXPECT_EQ(refusal(testing::sign_model(signer_, kOther)),
            "signs " + kOther + " (digits.tar), but the model has " + kDigest);
}

TEST_F(VerifyTest, OneOfSeveralSubjectsMustBeTheModel) {
  EXPECT_EQ(ask(of_subjects({subject(kOther, "a"), subject(kDigest, "b")}))->subject, "b");
  EXPECT_THAT(refusal(of_subjects({subject(kOther), subject(kOther), subject(kOther), subject(kOther)})),
              HasSubstr("(m) and 1 more, but the model has"));
  EXPECT_THAT(refusal(of_subjects({subject(kDigest), subject(kDigest)})),
              HasSubstr("as 2 subjects, not as one"));
}

TEST_F(VerifyTest, ASubjectCountsByItsSha256Only) {
  EXPECT_THAT(refusal(of_subjects({{{"name", "m"}, {"digest", {{"sha512", "aa"}}}}})),
              HasSubstr("no sha256 (m)"));
  EXPECT_THAT(refusal(of_subjects({{{"name", "m"}, {"digest", {{"sha256", 7}}}}})), HasSubstr("no sha256"));
  EXPECT_THAT(refusal(of_subjects({{{"name", "m"}, {"digest", {{"sha256", std::string(64, 'A')}}}}})),
              HasSubstr("but the model has"));
  EXPECT_THAT(refusal(of_subjects({{{"name", "m"}, {"digest", {{"sha256", kDigest}}}}})),
              HasSubstr("but the model"));
}

TEST_F(VerifyTest, ANameIsNotNeededAndIsShownWithoutWhatSteersATerminal) {
  EXPECT_EQ(ask(of_subjects({{{"digest", {{"sha256", kDigest.substr(7)}}}}}))->subject, "");
  EXPECT_EQ(ask(of_subjects({subject(kDigest, "a\x1b[2J")}))->subject, "a?[2J");
  EXPECT_LT(ask(of_subjects({subject(kDigest, std::string(9000, 'x'))}))->subject.size(), 300);
}

TEST_F(VerifyTest, AStatementOfAnyKindAndOfTheOlderVersionIsGood) {
  auto document = json::parse(testing::statement(kDigest));
  document["predicateType"] = "https://slsa.dev/provenance/v1";
  document["predicate"] = {1, 2, 3};
  document["_type"] = "https://in-toto.io/Statement/v0.1";
  EXPECT_TRUE(ask(testing::sign_payload(signer_, document.dump())));
}

TEST_F(VerifyTest, WhatIsSignedButNoStatementIsRefused) {
  const auto signs = [&](std::string_view payload) {
    return refusal(testing::sign_payload(signer_, payload));
  };
  EXPECT_THAT(signs("hello"), HasSubstr("not an in-toto statement: it is not a JSON object"));
  EXPECT_THAT(signs("{}"), HasSubstr("_type is not"));
  EXPECT_THAT(signs(R"({"_type":"https://in-toto.io/Statement/v1"})"), HasSubstr("no subject"));
  for (const char* subjects : {"[]", "{}", "7", "null"}) {
    EXPECT_THAT(
        signs(std::string(R"({"_type":"https://in-toto.io/Statement/v1","subject":)") + subjects + "}"),
        HasSubstr("no subject"));
  }
  for (const char* subjects : {"[7]", "[{}]", R"(["digest"])", "[[]]", "[null]"}) {
    EXPECT_THAT(
        signs(std::string(R"({"_type":"https://in-toto.io/Statement/v1","subject":)") + subjects + "}"),
        HasSubstr("subject[0] has no digest"));
  }
  EXPECT_THAT(refusal(testing::sign_payload(signer_, testing::statement(kDigest), "text/plain")),
              HasSubstr(R"(signs "text/plain", not application/vnd.in-toto+json)"));
}

TEST_F(VerifyTest, WhatIsNoEnvelopeIsRefused) {
  for (const char* text : {"", " ", "<html>", "[]", "7", "null", "{", "\xff\xfe"}) {
    EXPECT_EQ(refusal(text), "is not a DSSE envelope: it is not a JSON object") << text;
  }
  EXPECT_THAT(refusal("{}"), HasSubstr("payloadType is not a text"));
  EXPECT_THAT(refusal(changed([](json& e) { e["payload"] = 7; })), HasSubstr("payload is not base64"));
  EXPECT_THAT(refusal(changed([](json& e) { e["payload"] = "%%%"; })), HasSubstr("payload is not base64"));
  EXPECT_THAT(refusal(changed([](json& e) { e["signatures"] = json::array(); })), HasSubstr("no signatures"));
  EXPECT_THAT(refusal(changed([](json& e) { e["signatures"] = "x"; })), HasSubstr("no signatures"));
  EXPECT_THAT(refusal(changed([](json& e) { e["signatures"][0] = "x"; })), HasSubstr("signatures[0].sig"));
  EXPECT_THAT(refusal(changed([](json& e) { e["signatures"].push_back({{"sig", "%"}}); })),
              HasSubstr("signatures[1].sig is not base64"));
  EXPECT_THAT(refusal(testing::sign_model(signer_, kDigest).substr(0, 50)), HasSubstr("not a JSON object"));
}

TEST_F(VerifyTest, NestingAndSizeDoNoHarm) {
  EXPECT_FALSE(ask(std::string(1'000'000, '[')));
  EXPECT_FALSE(ask("{\"payload\":" + std::string(500'000, '[') + std::string(500'000, ']') + "}"));
  EXPECT_FALSE(ask(testing::sign_payload(signer_, std::string(500'000, '[') + std::string(500'000, ']'))));
}

TEST_F(VerifyTest, MoreSignaturesThanAnybodyMakesAreNotTried) {
  const auto many = changed([](json& e) { e["signatures"] = json(kMostSignatures + 1, e["signatures"][0]); });
  EXPECT_THAT(refusal(many), HasSubstr("33 signatures; at most 32"));
}

TEST_F(VerifyTest, EitherAlphabetOfBase64IsGood) {
  // Long enough that both have characters of their own in it.
  for (int i = 0; i < 20; ++i) {
    const auto url_safe = [](json& text) {
      auto in = text.get<std::string>();
      std::ranges::replace(in, '+', '-');
      std::ranges::replace(in, '/', '_');
      while (in.ends_with('=')) in.pop_back();
      text = in;
    };
    const Signer signer("P-256");
    keys_ = {signer.public_key()};
    auto document = json::parse(testing::sign_model(signer, kDigest));
    EXPECT_TRUE(ask(document.dump()));
    url_safe(document["payload"]);
    url_safe(document["signatures"][0]["sig"]);
    EXPECT_TRUE(ask(document.dump()));
  }
}

}  // namespace
}  // namespace pilotlight::signature
