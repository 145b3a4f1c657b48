#include "operator/control/refusal.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pilotlight::control {
namespace {

std::string Said(const std::string& message) {
  const nlohmann::json body = {{"error", message}};
  return WhyNotObeyed({.status = 400, .body = body.dump(), .error = {}});
}

TEST(Refusal, IsNoneOfAnOrderThatWasObeyed) {
  EXPECT_EQ(WhyNotObeyed({.status = 200, .body = R"({"epoch":7})", .error = {}}), "");
}

TEST(Refusal, IsWhatTheSidecarSaysOrWhyItSaysNothing) {
  EXPECT_EQ(WhyNotObeyed({.status = 409, .body = R"({"error":"older than 7"})", .error = {}}),
            "the sidecar refuses it (409): older than 7");
  EXPECT_EQ(WhyNotObeyed({.status = 0, .body = {}, .error = "no answer in time"}), "no answer in time");
  for (const char* body : {"", "<html>", "[1]", R"({"error": 7})", "{}"}) {
    EXPECT_EQ(WhyNotObeyed({.status = 503, .body = body, .error = {}}),
              "the sidecar answers with HTTP status 503");
  }
}

TEST(Refusal, NamesNoAddress) {
  const std::string start = "the sidecar refuses it (400): ";
  EXPECT_EQ(Said("peers[0].ip '10.1.2.3' is this pod's own"),
            start + "peers[0].ip '<address>' is this pod's own");
  EXPECT_EQ(Said("10.1.2.3:8082, [fd00::1]:80 and fe80::a:b."),
            start + "<address>, [<address>]:80 and <address>.");
  EXPECT_EQ(Said("until 02:05:00, by 2.6.0: an epoch is older than 7..."),
            start + "until 02:05:00, by 2.6.0: an epoch is older than 7...");
}

TEST(Refusal, IsCutAndPrintable) {
  EXPECT_LT(Said(std::string(60000, 'x')).size(), 600U);
  EXPECT_EQ(Said("a\x1b[31m"), "the sidecar refuses it (400): a?[31m");
}

}  // namespace
}  // namespace pilotlight::control
