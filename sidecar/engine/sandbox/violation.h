#pragma once

namespace pilotlight::engine::sandbox {

// How a process ends that made a forbidden call.
inline constexpr int kViolationExit = 4;

// Puts the handler in place that the kernel calls in the place of a forbidden system call: it sends a
// kViolation packet to `socket` and ends the process. Needs prepare_call_names.
void report_violations_to(int socket);

}  // namespace pilotlight::engine::sandbox
