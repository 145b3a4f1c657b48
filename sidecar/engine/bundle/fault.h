#pragma once

#include <expected>
#include <string>
#include <utility>

namespace pilotlight::engine {

// Why a model was refused: what is shown to its owner. `reason` is one of the table in docs/sidecar.md.
struct Fault {
  std::string reason;
  std::string message;  // what was wrong, with which value, where
  std::string remedy;   // what to do
};

template <class Value>
using Outcome = std::expected<Value, Fault>;

inline std::unexpected<Fault> refuse(std::string reason, std::string message, std::string remedy) {
  return std::unexpected(
      Fault{.reason = std::move(reason), .message = std::move(message), .remedy = std::move(remedy)});
}

// A bundle that is not as docs/bundle.md says.
inline std::unexpected<Fault> invalid_bundle(
    std::string message, std::string remedy = "Write the bundle with the exporter, or see docs/bundle.md.") {
  return refuse("InvalidBundle", std::move(message), std::move(remedy));
}

}  // namespace pilotlight::engine
