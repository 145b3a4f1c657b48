// A front that leaves.

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

#include "common/http/testing.h"
#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using http::testing::RawClient;
using nlohmann::json;
using std::chrono::milliseconds;
using testing::infer_request;

class FrontDrain : public testing::FrontTest {};

TEST_F(FrontDrain, DrainsWithoutLosingARequest) {
  options_.drain = {.quiet = milliseconds(300), .least = milliseconds(300), .most = milliseconds(5000)};
  run_until_ready();
  RawClient idle(port_);
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(idle.read().closed);
  RawClient slow(port_);
  slow.send(infer_request(testing::kSlow));
  await([&](const json&) { return metric("pilotlight_inferences_in_flight") >= 1; }, "with the engine");

  const auto drained = drain();
  await_phase("Draining");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 503);
  RawClient late(port_);  // whoever has not heard yet is still answered
  late.send("GET /v2/models/digits HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto answer = late.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.closed);
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_EQ(drained.wait_for(milliseconds(0)), std::future_status::timeout) << "a request is in flight";
  script_->release();
  EXPECT_EQ(slow.read().status, 200);
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(RawClient(port_).send("GET / HTTP/1.1\r\n\r\n"), false);
}

}  // namespace
}  // namespace pilotlight::front
