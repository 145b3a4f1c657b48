#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/artifact/signature/public_key.h"
#include "sidecar/front/status.h"

namespace pilotlight::front {

// A mutating call of the admin port that the operator has signed (docs/sidecar.md).
struct SignedCall {
  std::uint64_t epoch = 0;
  nlohmann::json body;  // an object
  std::string digest;   // the same for the same call with the same body, whenever it was signed
};

// Why a call is refused, and what to do.
struct CallRefusal {
  unsigned status;  // 400, 401, 403
  std::string message;
};

inline constexpr std::string_view kCallType = "application/vnd.pilotlight.call+json";
inline constexpr std::chrono::minutes kCallLasts{5};
// How far the operator's clock may be ahead of ours.
inline constexpr std::chrono::seconds kCallSkew{60};

// Reads a call: a DSSE envelope that one of `keys` has signed, for this pod and revision, for `call` ("PUT
// /split"), and for now. Nothing of it is read before its signature is good. Thread-safe: no state.
std::expected<SignedCall, CallRefusal> read_signed_call(std::string_view envelope,
                                                        std::span<const signature::PublicKey> keys,
                                                        std::string_view call, const Identity& identity,
                                                        std::chrono::system_clock::time_point now);

}  // namespace pilotlight::front
