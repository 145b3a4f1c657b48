#pragma once

namespace pilotlight::engine {

// Dies with the front, is the first to be killed when memory runs out, dumps no core, has no descriptors but
// the standard streams and the front's socket, and leaves signals to the kernel: some of LibTorch's libraries
// put handlers in place that would keep a crashed engine alive. Call first in main.
void settle_process();

// How many threads the cgroup's CPU quota allows, rounded up; without a quota, how many CPUs may be used.
int default_threads();

// Makes LibTorch, ONNX Runtime and the C library do once what they do lazily: read the machine's properties
// and the time zone, start threads. Everything that needs the file system or new threads must have happened
// when this returns: the sandbox denies them.
void prime(int threads);

}  // namespace pilotlight::engine
