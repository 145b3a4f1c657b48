// kubectl-pilotlight: `kubectl pilotlight …` where it is on the PATH.

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>

#include "plugin/rollout_commands.h"
#include "plugin/verify_command.h"
#include "sidecar/front/version.h"

namespace {

// For what could not even be tried: neither yes nor no.
constexpr int kUndecided = 2;

}  // namespace

int main(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Proves models, and follows and steers their rollouts.", "kubectl pilotlight");
  app.set_version_flag("--version", pilotlight::front::kVersion);
  app.require_subcommand(1);
  std::function<int()> run;
  pilotlight::plugin::add_verify(app, run);
  pilotlight::plugin::add_rollout_commands(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUndecided;
  }
  return run();
} catch (const std::exception& error) {
  std::cerr << "kubectl pilotlight: " << error.what() << '\n';
  return kUndecided;
}
