#pragma once

#include "sidecar/engine/sandbox/sandbox.h"

namespace pilotlight::engine::sandbox {

// How a process ends that made a forbidden call.
inline constexpr int kViolationExit = 4;

// Puts the handler in place that the kernel calls in the place of a forbidden system call: it sends a
// kViolation packet to the socket and ends the process. Where there is a library, it also answers the opening
// of files for reading: the library's name is opened (LibraryAccess), all others are denied.
void report_violations(const Options& options);

}  // namespace pilotlight::engine::sandbox
