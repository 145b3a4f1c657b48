#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/front/signature.h"
#include "sidecar/front/status.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::front {

// The desired state of the revision that this pod serves; read once at start.
struct Config {
  Identity identity;
  std::string uri;
  std::string digest;  // the user's own, or empty
  std::string pinned;  // the revision's, or empty: then this pod proves it
  std::optional<SignatureDemand> signature;
  wire::LoadRequest load;
  std::chrono::duration<double> validation_timeout{300};
  std::chrono::duration<double> recheck_interval{600};  // 0: never
  std::chrono::duration<double> endpoint_timeout{30};
  std::uint64_t max_request_bytes = 16 * 1024 * 1024;
  std::uint64_t max_model_bytes = 20ULL << 30;
  // A part of the document that only the user can mend: the pod then reports it, unready.
  std::optional<wire::Failure> invalid;
};

// The value of an environment variable, or "".
using Environment = std::function<std::string(const char*)>;

// Reads config.json (docs/sidecar.md) and the pod's environment. The error is for a document that no operator
// of ours has written: it names the field.
std::expected<Config, std::string> parse_config(std::string_view text, const Environment& environment);

// The configuration of a laptop: a model, defaults and nothing else.
Config laptop_config(const std::string& model);

}  // namespace pilotlight::front
