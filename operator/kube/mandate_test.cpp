#include "operator/kube/mandate.h"

#include <gtest/gtest.h>

#include "common/time/fake_clock.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;

class MandateTest : public testing::Test {
 protected:
  bool Sent(const std::string& method) {
    const auto before = server_.requests().size();
    const auto result = transport_.Call({method, "/api/v1/pods", {}, {}}, {}, {});
    const bool sent = server_.requests().size() > before;
    EXPECT_EQ(sent, result.has_value());
    if (!result) {
      EXPECT_EQ(result.error().code, ErrorCode::Timeout);
    }
    return sent;
  }

  FakeClock clock_;
  Mandate mandate_{clock_};
  ScriptedTransport server_{[](const HttpRequest&) { return HttpResponse{200, "{}"}; }};
  MandatedTransport transport_{server_, mandate_};
};

TEST_F(MandateTest, WritesPassWhileItHoldsAndReadsAlways) {
  EXPECT_FALSE(Sent("POST"));
  mandate_.GiveUntil(clock_.Monotonic() + 10s);
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) EXPECT_TRUE(Sent(method)) << method;
  clock_.Advance(9s);
  EXPECT_TRUE(Sent("PATCH"));
  clock_.Advance(1s);
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) EXPECT_FALSE(Sent(method)) << method;
  EXPECT_TRUE(Sent("GET"));
}

TEST_F(MandateTest, EndsAtOnceWhenItIsTakenAway) {
  mandate_.GiveUntil(clock_.Monotonic() + 10s);
  mandate_.End();
  EXPECT_FALSE(Sent("POST"));
}

}  // namespace
}  // namespace pilotlight::kube
