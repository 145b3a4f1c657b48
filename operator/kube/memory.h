// Keeps the process small.
//
// Thread-safety: call KeepMemorySmall first thing in main, before any thread is started.
#pragma once

namespace pilotlight::kube {

// glibc gives every few threads a heap of their own and learns to keep what large buffers took. We have many threads
// that do little, and large buffers once, for the first lists: with this, idle memory is a third.
void KeepMemorySmall();

// Gives what is free back to the system, e.g. after the first lists.
void ReturnFreeMemory();

}  // namespace pilotlight::kube
