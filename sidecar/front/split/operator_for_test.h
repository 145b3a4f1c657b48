#pragma once

// The operator, as a front sees it: one key, and calls that are signed with it.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/time/rfc3339.h"
#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/front/split/signed_call.h"
#include "sidecar/front/status.h"

namespace pilotlight::front::testing {

class OperatorForTest {
 public:
  // The payload of a good call; what is to be wrong with it can be changed.
  static nlohmann::json payload(
      std::string_view call, const Identity& pod, std::uint64_t epoch, nlohmann::json body,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) {
    return {{"call", call},
            {"podUID", pod.pod_uid},
            {"revision", pod.revision},
            {"epoch", epoch},
            {"issuedAt", FormatTime(now)},
            {"expiresAt", FormatTime(now + std::chrono::minutes(5))},
            {"body", std::move(body)}};
  }
  std::string sign(const nlohmann::json& signed_payload, std::string_view type = kCallType) const {
    return signature::testing::sign_payload(signer, signed_payload.dump(), type);
  }
  std::string sign(std::string_view call, const Identity& pod, std::uint64_t epoch,
                   nlohmann::json body = nlohmann::json::object()) const {
    return sign(payload(call, pod, epoch, std::move(body)));
  }
  // As the ConfigMap's volume has it.
  void publish(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "operator.pem") << signer.public_pem();
  }

  signature::testing::Signer signer;
};

}  // namespace pilotlight::front::testing
