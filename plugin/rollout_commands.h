#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pilotlight::plugin {

// Adds status, history, wait, pause, resume, abort, retry and rollback to `app`. When one is called, `run`
// becomes what it does; that returns the exit status, and throws std::runtime_error for what the user must
// know.
void add_rollout_commands(CLI::App& app, std::function<int()>& run);

}  // namespace pilotlight::plugin
