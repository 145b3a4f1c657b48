#pragma once

// Two whole fronts: a stable one that clients talk to, and a candidate that they cannot reach.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <format>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sidecar/front/split/operator_for_test.h"
#include "sidecar/front/standing_front_for_test.h"

namespace pilotlight::front::testing {

class TwoFronts : public ::testing::Test {
 protected:
  TwoFronts() {
    stable_.config_.identity.pod_uid = "stable-1";
    candidate_.config_.identity.pod_uid = "candidate-1";
    candidate_.config_.identity.revision = "r2";
    operator_.publish(stable_.options_.operator_keys);
    operator_.publish(candidate_.options_.operator_keys);
  }

  void run() {
    candidate_.run_until_ready();
    stable_.options_.peer_port = candidate_.front_->hop_port();
    stable_.run_until_ready();
    tell_candidate();
  }
  // Both, and a split between them; `change` may change its document.
  void run_with_weight(double weight, const std::function<void(nlohmann::json&)>& change = {}) {
    run();
    const auto answer = split(weight, change);
    ASSERT_EQ(answer.status, 200) << answer.body;
  }

  static std::string certificate(const StandingFront& front) { return front.status()["hop"]["certificate"]; }
  nlohmann::json document(double weight) const {
    return {{"weight", weight},
            {"salt", "attempt-1"},
            {"stableIsFull", true},
            {"expiresAt", FormatTime(std::chrono::system_clock::now() + std::chrono::hours(1))},
            {"peers",
             {{{"podUID", "candidate-1"},
               {"ip", "127.0.0.1"},
               {"revision", "r2"},
               {"certificate", certificate_}}}}};
  }
  http::testing::Answer split(double weight, const std::function<void(nlohmann::json&)>& change = {}) {
    auto body = document(weight);
    if (change) change(body);
    return put(stable_, body);
  }
  http::testing::Answer put(const StandingFront& front, const nlohmann::json& body) {
    return http::testing::call(front.admin_, "PUT", "/split",
                               operator_.sign("PUT /split", front.config_.identity, ++epoch_, body));
  }
  // Which callers it may let in, and who it is.
  void tell_candidate() {
    certificate_ = certificate(candidate_);
    auto body = document(0);
    body.erase("peers");
    body["callers"] = {certificate(stable_)};
    const auto answer = put(candidate_, body);
    ASSERT_EQ(answer.status, 200) << answer.body;
  }

  http::testing::Answer infer(std::string_view fields = "", float first = 1) const {
    return stable_.post(kInfer, infer_body(first), std::string(kJson) + std::string(fields));
  }
  // "200 r1": status and who answered.
  static std::string who(const http::testing::Answer& answer) {
    return std::format("{} {}", answer.status, answer.field("x-pilotlight-revision"));
  }
  nlohmann::json segment() const { return stable_.status()["split"]["segments"].back(); }
  nlohmann::json counts(const char* revision) const { return segment()["revisions"][revision]; }

  OperatorForTest operator_;
  StandingFront candidate_;
  StandingFront stable_;
  std::string certificate_;
  std::uint64_t epoch_ = 0;
};

}  // namespace pilotlight::front::testing
