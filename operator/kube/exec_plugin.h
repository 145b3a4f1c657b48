// Asks a credential plugin (client.authentication.k8s.io) for a token.
//
// Thread-safety: no state.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>

#include "operator/kube/config.h"

namespace pilotlight::kube {

struct ExecCredential {
  std::string token;
  std::optional<std::chrono::system_clock::time_point> expires;
};

// Runs the program, without a shell, with our environment and the plugin's, for at most `timeout`. What it
// writes to standard output is never logged; the error tells what happened and how to install it. Plugins
// that hand out client certificates instead of tokens are refused.
std::expected<ExecCredential, std::string> RunExecPlugin(
    const ExecPlugin& plugin, std::chrono::milliseconds timeout = std::chrono::seconds(20));

}  // namespace pilotlight::kube
