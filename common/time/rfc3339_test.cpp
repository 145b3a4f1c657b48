#include "common/time/rfc3339.h"

#include <gtest/gtest.h>

namespace pilotlight {
namespace {

using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year;

const std::chrono::system_clock::time_point kTime =
    sys_days{year{2026} / 11 / 23} + std::chrono::hours(21) + std::chrono::minutes(40) + microseconds(1500);

TEST(Rfc3339, IsWrittenAsKubernetesWritesIt) {
  EXPECT_EQ(FormatTime(kTime), "2026-11-23T21:40:00Z");
  EXPECT_EQ(FormatMicroTime(kTime), "2026-11-23T21:40:00.001500Z");
}

TEST(Rfc3339, WhatIsWrittenIsReadBack) {
  EXPECT_EQ(ParseTime(FormatMicroTime(kTime)), kTime);
}

TEST(Rfc3339, OffsetsAreApplied) {
  EXPECT_EQ(ParseTime("2026-11-23T22:40:00.0015+01:00"), kTime);
}

TEST(Rfc3339, AnythingElseIsRefused) {
  for (const char* text :
       {"", "Z", "now", "2026-11-23", "2026-11-23T21:40:00", "2026-13-23T21:40:00Z", "2026-11-23T21:40:00Zx",
        "2026-11-23T21:40:00Z ", "9999-12-31T23:59:59Z", "1600-01-01T00:00:00Z", "-999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(ParseTime(text)) << text;
  }
}

}  // namespace
}  // namespace pilotlight
