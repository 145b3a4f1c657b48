#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "sidecar/front/config.h"
#include "sidecar/front/status.h"

namespace pilotlight::plugin {

struct VerifyOptions {
  front::Config config;               // as of a revision that nobody has proven yet
  std::filesystem::path engine;       // the program
  std::filesystem::path credentials;  // folder; empty: none
  // Told of each phase on the way, as it begins.
  std::function<void(front::Phase)> entered = [](front::Phase) {};
};

// Does with the model what a serving pod does before it is ready, by the pod's own code: fetch, check, load,
// prove again, warm up. Returns the status at the end: Ready, Failed (the model's fault) or Retrying (the
// world's, which a pod would try again; here nothing is); or nothing if SIGINT or SIGTERM came first. Throws
// std::runtime_error where not even that can be started. Uses signals and child processes: one call at a
// time, from the main thread.
std::optional<front::Status> verify(const VerifyOptions& options);

}  // namespace pilotlight::plugin
