// Keeps the process small.
//
// Thread-safety: call KeepMemorySmall first thing in main, before any thread is started.
#pragma once

namespace pilotlight::kube {

// glibc gives every few threads a heap of their own and learns to keep what large buffers took. We have many
// threads that do little, and large buffers once, for the first lists: with this, idle memory is a third.
void KeepMemorySmall();

// Gives back what is not needed any more, e.g. after the first lists: free memory of the heap, and the pages
// of code and constants that only the start has touched. (Those that are needed after all come back from the
// page cache.)
void ReturnMemory();

}  // namespace pilotlight::kube
