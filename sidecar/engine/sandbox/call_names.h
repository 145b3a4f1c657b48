#pragma once

#include <string_view>

namespace pilotlight::engine::sandbox {

// Looks up all names, so that call_name may be used in a signal handler. Call once, before the filter.
void prepare_call_names();

// The name of this machine's system call; empty for a number that has none.
std::string_view call_name(int number);

// What a program wants with the call, to follow "tried to".
std::string_view call_purpose(int number);

}  // namespace pilotlight::engine::sandbox
