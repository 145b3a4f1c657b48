#include "operator/control/operator_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/text/base64.h"

namespace pilotlight::control {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

std::string Pem(std::string_view label, std::string_view der) {
  return "-----BEGIN " + std::string(label) + "-----\n" + EncodeBase64(der) + "\n-----END " +
         std::string(label) + "-----\n";
}

// PKCS#8 around the seed of an Ed25519 key (RFC 8410).
std::string OfSeed(std::string_view hex) {
  return Pem("PRIVATE KEY", Bytes("302e020100300506032b657004220420" + std::string(hex)));
}

std::string OtherKind(const char* cipher = nullptr) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      cipher == nullptr ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
      EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(),
                                cipher == nullptr ? nullptr : EVP_get_cipherbyname(cipher), "word",
                                cipher == nullptr ? 0 : 4, nullptr, nullptr);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// RFC 8032, 7.1, test 1.
TEST(OperatorKey, SignsAsTheStandardSays) {
  const auto key =
      OperatorKey::Parse(OfSeed("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  ASSERT_TRUE(key) << key.error();
  EXPECT_EQ(key->PublicPem(),
            Pem("PUBLIC KEY", Bytes("302a300506032b6570032100"
                                    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")));
  EXPECT_EQ(key->Sign(""), Bytes("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                                 "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"));
}

TEST(OperatorKey, IsReadAsItWasWrittenAndEachIsAnother) {
  const auto key = OperatorKey::Make();
  ASSERT_TRUE(key) << key.error();
  EXPECT_THAT(key->PrivatePem(), HasSubstr("BEGIN PRIVATE KEY"));
  const auto again = OperatorKey::Parse(key->PrivatePem());
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->PublicPem(), key->PublicPem());
  EXPECT_EQ(again->Sign("x"), key->Sign("x"));
  EXPECT_NE(OperatorKey::Make()->PublicPem(), key->PublicPem());
}

TEST(OperatorKey, EverythingElseIsRefusedAndNotRepeated) {
  const auto key = OperatorKey::Make();
  const std::string encrypted = OtherKind("AES-128-CBC");
  EXPECT_THAT(encrypted, HasSubstr("ENCRYPTED"));
  for (const std::string& text :
       {std::string(), std::string("garbage"), key->PublicPem(), OtherKind(), encrypted,
        key->PrivatePem().substr(0, 60), std::string(5000, '\n') + key->PrivatePem()}) {
    const auto refused = OperatorKey::Parse(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error(), "is not an Ed25519 private key in PEM (PKCS#8, not encrypted)");
  }
}

TEST(OperatorKey, ThePublicHalfIsThatOfEitherHalf) {
  const auto key = OperatorKey::Make();
  EXPECT_EQ(PublicHalf(key->PrivatePem()), key->PublicPem());
  EXPECT_EQ(PublicHalf(key->PublicPem()), key->PublicPem());
  for (const std::string& text : {std::string(), std::string("garbage"), OtherKind(),
                                  OtherKind("AES-128-CBC"), std::string(5000, '\n') + key->PublicPem()}) {
    const auto refused = PublicHalf(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error(), "is not an Ed25519 key in PEM");
  }
}

}  // namespace
}  // namespace pilotlight::control
