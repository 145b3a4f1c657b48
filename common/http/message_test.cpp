#include "common/http/message.h"

#include <gmock/gmock.h>

namespace pilotlight::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PathSegments, AreDecodedOnce) {
  EXPECT_THAT(path_segments("/v2/models/my%2Dmodel").names, ElementsAre("v2", "models", "my-model"));
  EXPECT_FALSE(path_segments("/v2/%252e%252e").valid);
}

TEST(PathSegments, OfTheRootAreNone) {
  EXPECT_TRUE(path_segments("/").valid);
  EXPECT_THAT(path_segments("/").names, IsEmpty());
}

TEST(PathSegments, RefuseEverythingThatIsNotAName) {
  for (const auto* path : {"", "v2", "//", "/v2//x", "/v2/", "/..", "/v2/../x", "/%2e%2e", "/a%2fb", "/%00",
                           "/%c0%af", "/\xc3\xa9", "/%", "/%4", "/%zz", "/a b", "/%+1"}) {
    EXPECT_FALSE(path_segments(path).valid) << path;
  }
  EXPECT_TRUE(path_segments("/" + std::string(128, 'a')).valid);
  EXPECT_FALSE(path_segments("/" + std::string(129, 'a')).valid);
}

TEST(Error, EscapesWhatTheClientSent) {
  EXPECT_EQ(error(400, "a\"b\\c\n\xff").body, R"({"error":"a\"b\\c\u000a\u00ff"})");
}

TEST(Fields, AreFoundInAnyCase) {
  Request request;
  request.fields = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(request.field("CONTENT-TYPE"), "a");
  EXPECT_EQ(request.count("content-Type"), 2);
  EXPECT_EQ(request.field("accept"), "");
}

}  // namespace
}  // namespace pilotlight::http
