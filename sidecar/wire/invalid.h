// For the readers of documents, inside this folder only.
#pragma once

#include <string>

namespace pilotlight::wire {

// Thrown and caught within one reader: they nest deeply enough that passing errors up by hand would hide the
// rules.
struct Invalid {
  std::string what;
};

[[noreturn]] inline void refuse(const std::string& where, const std::string& what) {
  throw Invalid{.what = where + ": " + what};
}

}  // namespace pilotlight::wire
