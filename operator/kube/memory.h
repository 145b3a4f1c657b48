// Keeps the process small.
//
// Thread-safety: call KeepMemorySmall first thing in main, before any thread is started.
#pragma once

namespace pilotlight::kube {

// glibc gives every few threads a heap of their own and learns to keep what large buffers took. We have many
// threads that do little, and large buffers once, for the first lists: with this, idle memory is a third.
void KeepMemorySmall();

// Gives what is free on the heap back to the system, e.g. after the first lists.
void ReturnFreeMemory();

// Gives back the pages of code and constants that have been touched so far: most of them only the start or a
// rare event needs. The others come back from the page cache at their next use, some hundred short faults, so
// call it seldom.
void ReturnIdleCode();

}  // namespace pilotlight::kube
