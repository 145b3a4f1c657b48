// Lengths of time and moments, as users and API servers write them.

#include "common/fuzz/fuzz.h"
#include "common/time/rfc3339.h"
#include "operator/api/duration.h"

namespace pilotlight::fuzz {

void run(std::string_view input) {
  if (const auto length = api::ParseDuration(input)) {
    require(length->count() > 0 && *length <= std::chrono::hours(24), "a length is within its limits");
    require(api::ParseDuration(api::FormatDuration(*length)) == length, "a length is read as it was written");
  }
  if (const auto time = ParseTime(input)) {
    const auto micro = std::chrono::floor<std::chrono::microseconds>(*time);
    require(ParseTime(FormatMicroTime(*time)) == micro, "a moment is read as it was written");
  }
}

std::vector<std::string> seeds() {
  return {"1h30m",
          "86400s",
          "24h0m0s",
          "2026-11-23T21:40:00Z",
          "2026-11-23T21:40:00.123456Z",
          "2026-11-23T21:40:00+01:00",
          "9999-12-31T23:59:59Z",
          "0000-01-01T00:00:00-23:59",
          "2262-04-11T23:47:16.854775807Z",
          "2262-04-11T23:47:17Z"};
}

}  // namespace pilotlight::fuzz
