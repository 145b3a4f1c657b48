#include "operator/kube/error.h"

#include <gtest/gtest.h>

namespace pilotlight::kube {
namespace {

Error Of(int status, const std::string& reason = "", const std::string& more = "") {
  return ErrorFromResponse(
      status,
      R"({"kind":"Status","status":"Failure","message":"why","reason":")" + reason + "\"" + more + "}", "");
}

TEST(ErrorFromResponse, TellsWhatHappened) {
  EXPECT_EQ(Of(409, "AlreadyExists").code, ErrorCode::AlreadyExists);
  EXPECT_EQ(Of(409, "Conflict").code, ErrorCode::Conflict);
  EXPECT_EQ(Of(404, "NotFound").code, ErrorCode::NotFound);
  EXPECT_EQ(Of(410, "Expired").code, ErrorCode::Gone);
  EXPECT_EQ(Of(400, "Expired").code, ErrorCode::Gone);
  EXPECT_EQ(Of(429).code, ErrorCode::TooManyRequests);
  EXPECT_EQ(Of(422, "Invalid").code, ErrorCode::Invalid);
  EXPECT_EQ(Of(401).code, ErrorCode::Unauthorized);
  EXPECT_EQ(Of(403, "Forbidden").code, ErrorCode::Forbidden);
  EXPECT_EQ(Of(504, "Timeout").code, ErrorCode::Timeout);
  EXPECT_EQ(Of(503).code, ErrorCode::Server);
  EXPECT_EQ(Of(302).code, ErrorCode::Transport);
}

TEST(ErrorFromResponse, KeepsTheMessageOfTheServer) {
  EXPECT_EQ(Of(403, "Forbidden").message, "why");
  EXPECT_EQ(Describe(Of(403, "Forbidden")), "Forbidden (403): why");
  EXPECT_EQ(ErrorFromResponse(502, "<html>bad gateway</html>", "").message, "<html>bad gateway</html>");
  EXPECT_FALSE(ErrorFromResponse(500, "", "").message.empty());
}

TEST(ErrorFromResponse, ReadsRetryAfterFromTheHeaderAndFromTheStatus) {
  EXPECT_EQ(ErrorFromResponse(429, "", "7").retry_after, std::chrono::seconds(7));
  EXPECT_EQ(Of(429, "", R"(,"details":{"retryAfterSeconds":3})").retry_after, std::chrono::seconds(3));
  EXPECT_EQ(ErrorFromResponse(429, "", "soon").retry_after, std::nullopt);
  EXPECT_EQ(ErrorFromResponse(429, "", "-1").retry_after, std::nullopt);
}

TEST(ErrorFromResponse, DoesNotStayAwayForAsLongAsAMadServerAsks) {
  EXPECT_EQ(ErrorFromResponse(429, "", "86400").retry_after, std::chrono::seconds(120));
}

TEST(ErrorFromResponse, AVersionThatIsTooLargeIsAsUselessAsOneThatIsGone) {
  const Error error = Of(504, "Timeout", R"(,"details":{"causes":[{"reason":"ResourceVersionTooLarge"}]})");
  EXPECT_EQ(error.code, ErrorCode::Gone);
}

TEST(ErrorFromResponse, AnErrorEventSaysItsOwnCode) {
  const Error error =
      ErrorFromResponse(0, R"({"kind":"Status","code":410,"reason":"Expired","message":"old"})", "");
  EXPECT_EQ(error.code, ErrorCode::Gone);
  EXPECT_EQ(error.http_status, 410);
}

TEST(ErrorFromResponse, SurvivesFieldsOfTheWrongType) {
  EXPECT_EQ(
      ErrorFromResponse(500, R"({"kind":"Status","reason":7,"message":[],"code":"x","details":[1]})", "")
          .code,
      ErrorCode::Server);
  EXPECT_EQ(ErrorFromResponse(0, R"({"kind":"Status","code":"x"})", "").http_status, 0);
}

TEST(MayHaveHappened, IsTrueUnlessTheServerSaidNo) {
  EXPECT_TRUE(MayHaveHappened({.code = ErrorCode::Transport}));
  EXPECT_TRUE(MayHaveHappened({.code = ErrorCode::Timeout}));
  EXPECT_FALSE(MayHaveHappened({.code = ErrorCode::Conflict}));
  EXPECT_FALSE(MayHaveHappened({.code = ErrorCode::TooManyRequests}));
}

}  // namespace
}  // namespace pilotlight::kube
