#pragma once

namespace pilotlight::engine::sandbox {

// Runs `action` in each thread of the process, one after the other, the caller's last: for what the kernel
// keeps per thread. It runs in a signal handler, so it may call only what is safe there. True if every thread
// ran it and it returned true in each.
bool on_every_thread(bool (*action)());

}  // namespace pilotlight::engine::sandbox
