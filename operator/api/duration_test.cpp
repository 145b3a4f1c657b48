#include "operator/api/duration.h"

#include <gtest/gtest.h>

namespace pilotlight::api {
namespace {

using std::chrono::seconds;

TEST(Duration, ReadsHoursMinutesAndSeconds) {
  EXPECT_EQ(ParseDuration("30s"), seconds(30));
  EXPECT_EQ(ParseDuration("5m"), seconds(300));
  EXPECT_EQ(ParseDuration("1h30m"), seconds(5400));
  EXPECT_EQ(ParseDuration("24h"), seconds(86400));
  EXPECT_EQ(ParseDuration("600s"), seconds(600));
}

TEST(Duration, RefusesWhatIsNoLength) {
  for (const char* text : {"", "5", "s", "5d", "-5s", "1.5s", "5s5m", "5s5s", "0s", "24h1s", "99999999999s",
                           "5 s", "5m ", "+5s", "500ms"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

TEST(Duration, WritesTheShortestNotation) {
  EXPECT_EQ(FormatDuration(seconds(90)), "1m30s");
  EXPECT_EQ(FormatDuration(seconds(600)), "10m");
  EXPECT_EQ(FormatDuration(seconds(0)), "0s");
  EXPECT_EQ(ParseDuration(FormatDuration(seconds(86399))), seconds(86399));
}

}  // namespace
}  // namespace pilotlight::api
