#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pilotlight::plugin {

// Adds `verify` to `app`. When it is called, `run` becomes what it does; that returns the exit status: 0
// proven, 1 refused, 2 not decided.
void add_verify(CLI::App& app, std::function<int()>& run);

}  // namespace pilotlight::plugin
