#pragma once

#include <expected>
#include <string>

#include "sidecar/engine/sandbox/sandbox.h"

namespace pilotlight::engine::sandbox {

// Lets every thread make the system calls of a list, for ever. Of the rest a few fail, as libraries try them
// and do without; all others are violations. A device's driver may open files if `files_are_hidden` already
// from every thread.
std::expected<void, std::string> filter_calls(const Options& options, bool files_are_hidden);

}  // namespace pilotlight::engine::sandbox
