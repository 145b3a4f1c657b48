#include "common/text/base64.h"

#include <gtest/gtest.h>

namespace pilotlight {
namespace {

TEST(Base64, ReadsTheVectorsOfItsStandard) {
  EXPECT_EQ(DecodeBase64("Zg=="), "f");
  EXPECT_EQ(DecodeBase64("Zm8="), "fo");
  EXPECT_EQ(DecodeBase64("Zm9v"), "foo");
  EXPECT_EQ(DecodeBase64("Zm9vYg=="), "foob");
  EXPECT_EQ(DecodeBase64("Zm9vYmE="), "fooba");
  EXPECT_EQ(DecodeBase64("Zm9vYmFy"), "foobar");
}

TEST(Base64, WritesTheVectorsOfItsStandard) {
  EXPECT_EQ(EncodeBase64(""), "");
  EXPECT_EQ(EncodeBase64("f"), "Zg==");
  EXPECT_EQ(EncodeBase64("fo"), "Zm8=");
  EXPECT_EQ(EncodeBase64("foo"), "Zm9v");
  EXPECT_EQ(EncodeBase64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(EncodeBase64("\xfb\xfe\xff"), "+/7/");
}

TEST(Base64, ReadsBothAlphabets) {
  EXPECT_EQ(DecodeBase64("+/7/"), "\xfb\xfe\xff");
  EXPECT_EQ(DecodeBase64("-_7_"), "\xfb\xfe\xff");
}

TEST(Base64, ReadsItWithoutPaddingAndBrokenIntoLines) {
  EXPECT_EQ(DecodeBase64("Zm9vYg"), "foob");
  EXPECT_EQ(DecodeBase64("Zm9v\r\n\tYm E=\n"), "fooba");
}

TEST(Base64, RefusesEverythingElse) {
  for (const char* text : {"", " ", "=", "====", "Z", "Zm9vY",
                           "Zg=", "Zg===", "Zm9v=", "Z=g=", "Zg==Zg==", "Zm9%", "Zm9v\xc3\xa9"}) {
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
  }
  EXPECT_EQ(DecodeBase64(std::string_view("Zm9\0", 4)), std::nullopt);
}

}  // namespace
}  // namespace pilotlight
