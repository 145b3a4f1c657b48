// A library for library_test.cpp to load.
#include <unistd.h>

#include <cstdlib>

extern "C" int answer() {
  return 42;
}

namespace {

// As hostile as a test asks it to be, while it is being loaded.
[[gnu::constructor]] void reach_out() {
  if (std::getenv("PILOTLIGHT_TEST_UNLINKS") != nullptr) static_cast<void>(::unlink("/tmp/x"));
}

}  // namespace
