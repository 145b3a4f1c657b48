#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

// What stands between a hostile model and the node: docs/threat-model.md.
namespace pilotlight::engine::sandbox {

struct Options {
  int socket;                    // the one descriptor that may be talked to
  std::uint64_t data_bytes = 0;  // the most memory of its own that the process may have; 0: no limit
  bool new_threads = false;      // for a thread pool that shrinks and grows
  int library = -1;              // of create_library(), for machine code; -1: there is none to load
  // Starts the driver of a device, and makes the sandbox the weaker one that drivers can live in; empty:
  // there is none. It is called when files are hidden, so that the driver's threads start with them hidden,
  // and before system calls are filtered.
  std::function<void()> start_driver = {};
};

// Shuts this process, all its threads, in for ever: from here on it computes, and talks to `socket`. Returns
// the layers that hold, for the proof; an error if the one that nothing can replace, seccomp, does not.
//
// To be called once, by the thread that works, when libraries have read their files and started their
// threads, and before the first byte that is not trusted.
//
// A driver keeps the use of its device, may start threads, map memory in all ways and open the few files that
// landlock.cpp lists, and `data_bytes` means nothing: it reserves addresses for more than any machine has.
std::expected<std::vector<std::string>, std::string> enter(const Options& options);

}  // namespace pilotlight::engine::sandbox
