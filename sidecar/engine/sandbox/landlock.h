#pragma once

namespace pilotlight::engine::sandbox {

// Denies every thread all of the file system, of TCP and of other processes that the kernel's Landlock knows,
// and sets no_new_privs, which it needs. What is open stays open. False where the kernel has no Landlock.
bool hide_files();

// The same, but for what an NVIDIA driver opens: libraries, its device nodes, what the kernel tells of the
// machine and of this process, and the names of this process's threads.
bool hide_files_but_a_drivers();

}  // namespace pilotlight::engine::sandbox
