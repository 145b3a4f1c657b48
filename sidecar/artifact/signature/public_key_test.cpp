#include "sidecar/artifact/signature/public_key.h"

#include <gmock/gmock.h>

#include "sidecar/artifact/signature/signer_for_test.h"

namespace pilotlight::signature {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Signer;

std::string refusal(std::string_view pem) {
  const auto key = PublicKey::parse(pem);
  return key ? "accepted " + key->id() : key.error();
}

// From `openssl genpkey`, and `openssl pkey -pubin -outform DER | sha256sum`.
constexpr const char* kEd25519 = R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAo5QyrIKsdaKzGKv2oaoVR45zINxsndzJBIW3dlxG7eA=
-----END PUBLIC KEY-----
)";

TEST(PublicKey, HasTheDigestOfItsDerAsItsId) {
  const auto key = PublicKey::parse(kEd25519);
  ASSERT_TRUE(key) << key.error();
  EXPECT_EQ(key->id(), "sha256:b6578524d09ff2e9d8517f3b58aa1995003d134c4b219122f7765a92cba8e004");
}

TEST(PublicKey, OfBothKindsIsTaken) {
  for (const char* kind : {"Ed25519", "P-256"}) {
    const Signer signer(kind);
    EXPECT_TRUE(PublicKey::parse(signer.public_pem())) << kind << " " << refusal(signer.public_pem());
    EXPECT_TRUE(PublicKey::parse("\n" + signer.public_pem() + "\n\n")) << "blanks around it are no matter";
    EXPECT_NE(Signer(kind).public_key().id(), signer.public_key().id());
  }
}

TEST(PublicKey, OfAnyOtherKindIsRefusedAndSaysWhichAreTaken) {
  for (const char* kind : {"RSA", "P-384", "P-521", "secp256k1", "Ed448", "X25519"}) {
    EXPECT_THAT(refusal(Signer(kind).public_pem()), HasSubstr("taken are Ed25519 and ECDSA P-256")) << kind;
  }
  EXPECT_THAT(refusal(Signer("RSA").public_pem()), HasSubstr("is a key for RSA"));
  EXPECT_THAT(refusal(Signer("P-384").public_pem()), HasSubstr("secp384r1"));
}

TEST(PublicKey, ThatIsNoneIsRefused) {
  EXPECT_EQ(refusal(""), "is empty");
  EXPECT_EQ(refusal(" \n"), "is empty");
  EXPECT_THAT(refusal("ssh-ed25519 AAAA"), HasSubstr("is not a public key in PEM"));
  EXPECT_THAT(refusal(std::string(5000, 'x')), HasSubstr("more than 4096 characters"));
  auto damaged = std::string(kEd25519);
  damaged.erase(40, 4);
  EXPECT_THAT(refusal(damaged), HasSubstr("is not a public key in PEM"));
  EXPECT_THAT(refusal(damaged.substr(0, 60)), HasSubstr("is not a public key in PEM"));
}

TEST(PublicKey, TwoInOneTextAreRefusedAsTheSecondWouldBePassedOver) {
  EXPECT_THAT(refusal(Signer().public_pem() + Signer().public_pem()), HasSubstr("behind the first key"));
  EXPECT_THAT(refusal(Signer().public_pem() + "x"), HasSubstr("behind the first key"));
}

TEST(PublicKey, APrivateKeyIsRefusedAndNotRepeated) {
  const auto pem = Signer().private_pem();
  EXPECT_THAT(refusal(pem), AllOf(HasSubstr("is a private key"), Not(HasSubstr(pem.substr(30, 20)))));
}

TEST(PublicKey, VerifiesItsOwnersSignatureOfTheMessageAndNothingElse) {
  for (const char* kind : {"Ed25519", "P-256"}) {
    const Signer signer(kind);
    const auto key = signer.public_key();
    const auto signature = signer.sign("hello");
    EXPECT_TRUE(key.verify("hello", signature)) << kind;
    EXPECT_FALSE(key.verify("jello", signature)) << kind;
    EXPECT_FALSE(key.verify("", signature)) << kind;
    EXPECT_FALSE(key.verify("hello", Signer(kind).sign("hello"))) << kind;
  }
}

TEST(PublicKey, RefusesASignatureThatIsMalformed) {
  for (const char* kind : {"Ed25519", "P-256"}) {
    const Signer signer(kind);
    const auto key = signer.public_key();
    const auto good = signer.sign("hello");
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(key.verify("hello", good.substr(0, size))) << kind << " cut to " << size;
    }
    EXPECT_FALSE(key.verify("hello", good + '\0')) << kind << " with a byte more";
    for (std::size_t at = 0; at < good.size(); ++at) {
      auto bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 1);
      EXPECT_FALSE(key.verify("hello", bad)) << kind << " changed at " << at;
    }
    EXPECT_FALSE(key.verify("hello", std::string(good.size(), '\0'))) << kind;
  }
}

}  // namespace
}  // namespace pilotlight::signature
