#pragma once

#include <expected>
#include <string>

#include "sidecar/engine/sandbox/sandbox.h"

namespace pilotlight::engine::sandbox {

// Lets every thread make the system calls of a list, for ever. Of the rest a few fail, as libraries try them
// and do without; all others are violations.
std::expected<void, std::string> filter_calls(const Options& options);

}  // namespace pilotlight::engine::sandbox
