// Signed calls over a whole front's admin port.

#include <gmock/gmock.h>

#include <future>

#include "sidecar/front/split/operator_for_test.h"
#include "sidecar/front/standing_front_for_test.h"

namespace pilotlight::front {
namespace {

using http::testing::Answer;
using http::testing::RawClient;
using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::infer_request;
using testing::kInfer;
using testing::OperatorForTest;

class OrdersTest : public testing::FrontTest {
 protected:
  OrdersTest() { operator_.publish(options_.operator_keys); }

  Answer put(std::string_view path, std::string_view envelope) const {
    return http::testing::call(admin_, "PUT", path, envelope);
  }
  Answer tell_to_drain(std::uint64_t epoch) const {
    return put("/drain", operator_.sign("PUT /drain", config_.identity, epoch));
  }
  void expect_untouched() const {
    EXPECT_EQ(status()["phase"], "Ready");
    EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 200);
    EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  }

  OperatorForTest operator_;
};

TEST_F(OrdersTest, AFrontThatIsToldToDrainLosesNoRequestAndStays) {
  options_.drain = {.quiet = milliseconds(300), .least = milliseconds(300), .most = milliseconds(5000)};
  run_until_ready();
  RawClient slow(port_);
  slow.send(infer_request(testing::kSlow));
  await_begun();

  const auto told = tell_to_drain(7);
  EXPECT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(json::parse(told.body)["epoch"], 7);
  EXPECT_EQ(status()["phase"], "Draining");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 503);
  const auto late = get("/v2/models/digits");
  EXPECT_EQ(late.status, 200) << "whoever has not heard yet is still answered";
  EXPECT_TRUE(late.closed);
  script_->release();
  EXPECT_EQ(slow.read().status, 200);
  await([&](const json&) { return !RawClient(port_).send("GET / HTTP/1.1\r\n\r\n"); }, "the port is closed");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/livez").status, 200);
  EXPECT_EQ(status()["phase"], "Draining");
}

TEST_F(OrdersTest, AFrontThatHasDrainedEndsWhenItIsToldTo) {
  run_until_ready();
  EXPECT_EQ(tell_to_drain(1).status, 200);
  EXPECT_EQ(drain().wait_for(std::chrono::seconds(10)), std::future_status::ready) << "while it drains";
  EXPECT_EQ(drain().wait_for(std::chrono::seconds(10)), std::future_status::ready) << "when it has";
}

TEST_F(OrdersTest, WhatAnEngineNeverAnswersIsAnsweredWhenTheDrainEnds) {
  config_.endpoint_timeout = milliseconds(100);
  options_.drain.finish = milliseconds(100);
  run_until_ready();
  RawClient hung(port_);
  hung.send(infer_request(testing::kSlow));
  await_begun();
  EXPECT_EQ(tell_to_drain(1).status, 200);
  EXPECT_EQ(hung.read().status, 503);
}

TEST_F(OrdersTest, NobodyElseCanHaveItDrain) {
  run_until_ready();
  const auto unsigned_call = put("/drain", "{}");
  EXPECT_EQ(unsigned_call.status, 401);
  EXPECT_THAT(json::parse(unsigned_call.body)["error"].get<std::string>(),
              HasSubstr("signed by the operator"));
  EXPECT_EQ(put("/drain", OperatorForTest().sign("PUT /drain", config_.identity, 1)).status, 401);
  auto other = config_.identity;
  other.pod_uid = "another";
  EXPECT_EQ(put("/drain", operator_.sign("PUT /drain", other, 1)).status, 403);
  EXPECT_EQ(put("/drain", operator_.sign("PUT /split", config_.identity, 1)).status, 403);
  expect_untouched();
  EXPECT_EQ(tell_to_drain(1).status, 200) << "and none of it used up the epoch";
}

TEST_F(OrdersTest, WithoutKeysNobodyCan) {
  std::filesystem::remove_all(options_.operator_keys);
  run_until_ready();
  EXPECT_EQ(tell_to_drain(1).status, 403);
  expect_untouched();
}

TEST_F(OrdersTest, KeysCanChangeUnderARunningFront) {
  run_until_ready();
  const OperatorForTest next;
  std::filesystem::remove(options_.operator_keys / "operator.pem");
  std::ofstream(options_.operator_keys / "broken.pem") << "no key";
  std::ofstream(options_.operator_keys / ".hidden.pem") << operator_.signer.public_pem();
  std::filesystem::create_directories(options_.operator_keys / "..data");
  std::ofstream(options_.operator_keys / "..data" / "x.pem") << operator_.signer.public_pem();
  std::ofstream(options_.operator_keys / "next.pem") << next.signer.public_pem();
  EXPECT_EQ(tell_to_drain(1).status, 401) << "the old key is gone";
  EXPECT_EQ(put("/drain", next.sign("PUT /drain", config_.identity, 1)).status, 200);
}

TEST_F(OrdersTest, AnOlderEpochIsRefusedAndTheLastOneAgainIsNot) {
  run_until_ready();
  EXPECT_EQ(tell_to_drain(7).status, 200);
  EXPECT_EQ(tell_to_drain(7).status, 200);
  const auto older = tell_to_drain(6);
  EXPECT_EQ(older.status, 409);
  EXPECT_THAT(older.body, HasSubstr("epoch 6 is older than 7"));
  const auto other = put("/drain", operator_.sign("PUT /drain", config_.identity, 7, {{"other", 1}}));
  EXPECT_EQ(other.status, 409);
  EXPECT_THAT(other.body, HasSubstr("another call of the epoch 7"));
  EXPECT_EQ(tell_to_drain(8).status, 200);
}

TEST_F(OrdersTest, AnEpochOutlivesTheFrontInItsPodOnly) {
  run_until_ready();
  EXPECT_EQ(status()["lastEpoch"], 0);
  EXPECT_EQ(tell_to_drain(7).status, 200);
  EXPECT_EQ(status()["lastEpoch"], 7);
  stop();
  run_until_ready();
  EXPECT_EQ(status()["lastEpoch"], 7) << "so the operator knows what comes next";
  EXPECT_EQ(tell_to_drain(6).status, 409);
  EXPECT_EQ(status()["lastEpoch"], 7);
  expect_untouched();
  stop();
  config_.identity.pod_uid = "another";
  run_until_ready();
  EXPECT_EQ(tell_to_drain(6).status, 200);
}

TEST_F(OrdersTest, TheMethodIsPutAndTheBodyHasABound) {
  run_until_ready();
  EXPECT_EQ(http::testing::call(admin_, "GET", "/drain").status, 405);
  EXPECT_EQ(http::testing::call(admin_, "GET", "/drain").field("allow"), "PUT");
  EXPECT_EQ(put("/livez", "{}").status, 405);
  EXPECT_EQ(put("/drain", std::string(128 * 1024 + 1, 'x')).status, 413);
  EXPECT_EQ(put("/drain", std::string(128 * 1024, '[')).status, 401);
}

}  // namespace
}  // namespace pilotlight::front
