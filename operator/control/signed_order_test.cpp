#include "operator/control/signed_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "operator/control/operator_key.h"
#include "sidecar/front/split/signed_call.h"

// What the operator signs, as the sidecar reads it.
namespace pilotlight::control {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

const front::Identity kPod{.name = "digits", .namespace_ = "ml", .revision = "digits-1", .pod_uid = "p1"};
// In the middle of a second.
const std::chrono::system_clock::time_point kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 26) +
                                                   std::chrono::hours(5) + std::chrono::milliseconds(678);

class SignedOrder : public ::testing::Test {
 protected:
  static plan::Order Order() {
    return {.pod_uid = "p1",
            .revision = "digits-1",
            .call = "PUT /split",
            .epoch = 7,
            .body = {{"weight", 12.5}, {"salt", "ü"}}};
  }
  std::expected<front::SignedCall, front::CallRefusal> Read(const plan::Order& order,
                                                            std::chrono::system_clock::time_point now) const {
    return front::read_signed_call(SignOrder(*key_, order, kNow), keys_, "PUT /split", kPod, now);
  }

  std::expected<OperatorKey, std::string> key_ = OperatorKey::Make();
  std::vector<signature::PublicKey> keys_{signature::PublicKey::parse(key_->PublicPem()).value()};
};

TEST_F(SignedOrder, IsReadAsItWasMeant) {
  const auto call = Read(Order(), kNow);
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->epoch, 7U);
  EXPECT_EQ(call->body, Order().body);
  EXPECT_EQ(key_->Id(), keys_[0].id()) << "so that what a sidecar says of its keys can be compared";
}

TEST_F(SignedOrder, HoldsForFiveMinutes) {
  EXPECT_TRUE(Read(Order(), kNow + minutes(5) - seconds(1)));
  EXPECT_FALSE(Read(Order(), kNow + minutes(5)));
}

TEST_F(SignedOrder, IsForOnePodRevisionAndCallAndOfOneKey) {
  plan::Order order = Order();
  order.pod_uid = "p2";
  EXPECT_THAT(Read(order, kNow).error().message, HasSubstr("podUID"));
  order = Order();
  order.revision = "digits-2";
  EXPECT_THAT(Read(order, kNow).error().message, HasSubstr("revision"));
  order = Order();
  order.call = "PUT /drain";
  EXPECT_THAT(Read(order, kNow).error().message, HasSubstr("call"));
  keys_ = {signature::PublicKey::parse(OperatorKey::Make()->PublicPem()).value()};
  EXPECT_EQ(Read(Order(), kNow).error().status, 401U);
}

TEST_F(SignedOrder, TheLargestSplitIsNotTooLongForASidecar) {
  plan::Order order = Order();
  const std::string certificate = "sha256:" + std::string(64, 'a');
  for (int i = 0; i < 128; ++i) {
    order.body["peers"].push_back({{"podUID", std::string(36, 'u')},
                                   {"ip", std::string(39, 'f')},
                                   {"revision", std::string(63, 'r')},
                                   {"certificate", certificate}});
  }
  for (int i = 0; i < 512; ++i) order.body["callers"].push_back(certificate);
  EXPECT_LT(SignOrder(*key_, order, kNow).size(), 128U * 1024);
}

}  // namespace
}  // namespace pilotlight::control
