#include "sidecar/artifact/uri.h"

#include <gmock/gmock.h>

namespace pilotlight::artifact {
namespace {

using ::testing::HasSubstr;

TEST(Uri, OfEachSchemeIsUnderstood) {
  EXPECT_EQ(parse_uri("https://h/m.tar")->scheme, Scheme::kHttps);
  EXPECT_EQ(parse_uri("http://h:81/m.tar?x=1")->url, "http://h:81/m.tar?x=1");
  EXPECT_EQ(parse_uri("file:///a/b")->path, "/a/b");
  EXPECT_EQ(parse_uri("some/model.tar")->path, "some/model.tar");
  const auto volume = parse_uri("pvc://claim/a/b.tar");
  EXPECT_EQ(volume->scheme, Scheme::kVolume);
  EXPECT_EQ(volume->path, "a/b.tar");
}

TEST(Uri, ThatIsNoneIsRefused) {
  for (const auto* uri : {"", "s3://bucket/m", "ftp://h/m", "file://host/m", "file://m", "pvc://claim",
                          "pvc://claim/", "pvc:///m", "pvc://claim/../m", "pvc://claim/a/../../m",
                          "pvc://claim//etc/passwd", "http://", "https://h:99999/m", "http://a b/"}) {
    EXPECT_FALSE(parse_uri(uri)) << uri;
  }
  EXPECT_THAT(parse_uri("s3://bucket/m").error(), HasSubstr("known are file, pvc, http and https"));
}

TEST(Uri, BesideAFileIsItsNameWithAnEnding) {
  EXPECT_EQ(beside("https://h/m.tar", ".sig"), "https://h/m.tar.sig");
  EXPECT_EQ(beside("https://h/m.tar?x=a/b#f", ".sig"), "https://h/m.tar.sig?x=a/b#f");
  EXPECT_EQ(beside("http://h/m#f?x", ".sig"), "http://h/m.sig#f?x");
  EXPECT_EQ(beside("pvc://claim/a/bundle/", ".sig"), "pvc://claim/a/bundle.sig");
  EXPECT_EQ(beside("file:///a/b//", ".sig"), "file:///a/b.sig");
  EXPECT_EQ(beside("what is it?.tar", ".sig"), "what is it?.tar.sig") << "a file may be called so";
}

TEST(Uri, IsShownWithoutItsSecrets) {
  EXPECT_EQ(redact("https://user:pass@h/m.tar?sig=abc#f"), "https://h/m.tar");
  EXPECT_EQ(redact("https://h/a@b"), "https://h/a@b");
  EXPECT_EQ(redact("/plain/path"), "/plain/path");
  EXPECT_EQ(redact("https://user:p@ss@h/m"), "https://h/m");
  EXPECT_THAT(parse_uri("https://user:pass@h:99999/m?sig=abc").error(),
              ::testing::Not(::testing::AnyOf(HasSubstr("pass"), HasSubstr("sig"))));
}

}  // namespace
}  // namespace pilotlight::artifact
