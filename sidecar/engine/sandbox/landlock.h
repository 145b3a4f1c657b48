#pragma once

namespace pilotlight::engine::sandbox {

// Denies every thread all of the file system, of TCP and of other processes that the kernel's Landlock knows,
// and sets no_new_privs, which it needs. What is open stays open. False where the kernel has no Landlock.
bool hide_files();

}  // namespace pilotlight::engine::sandbox
