#include "plugin/verify.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <format>
#include <stdexcept>
#include <utility>

#include "sidecar/front/children.h"
#include "sidecar/front/fetcher.h"
#include "sidecar/front/launcher.h"
#include "sidecar/front/lifecycle.h"
#include "sidecar/front/memory.h"
#include "sidecar/front/scratch_folder.h"
#include "sidecar/front/sizes.h"
#include "sidecar/front/timers.h"
#include "sidecar/wire/arena.h"

namespace pilotlight::plugin {
namespace {

using front::Phase;

// Nothing is inferred through it; the engine wants to map one all the same.
constexpr std::uint64_t kArenaBytes = 1 << 20;

bool decided(Phase phase) {
  return phase == Phase::kReady || phase == Phase::kFailed || phase == Phase::kRetrying;
}

}  // namespace

std::optional<front::Status> verify(const VerifyOptions& options) {
  auto arena = wire::Arena::create(kArenaBytes);
  if (!arena)
    throw std::runtime_error(std::format("no shared memory for tensors: {}", arena.error().message()));
  const front::ScratchFolder scratch;
  boost::asio::io_context io{1};
  front::Children children(io);
  front::SpawnLauncher launcher(children, options.engine, front::engine_settings(options.config));
  front::LoopTimers timers(io);
  front::ThreadFetcher fetcher(io);
  front::Memory memory({}, {}, {});
  front::Lifecycle lifecycle(
      options.config,
      {.uri = options.config.uri,
       .staging = scratch.path(),
       .credentials = options.credentials,
       .volume = {},
       .max_bytes = options.config.max_model_bytes},
      timers, fetcher,
      [&](front::Role role, front::EngineEvents events) {
        return front::Engine::start(io, launcher, role, std::move(events));
      },
      memory, *arena);

  std::optional<front::Status> outcome;
  lifecycle.observe({.changed =
                         [&] {
                           const auto status = lifecycle.status();
                           if (outcome) return;
                           if (!decided(status.phase)) return options.entered(status.phase);
                           outcome = status;
                           io.stop();
                         },
                     .serving = {},
                     .lost = {},
                     .result = {}});
  boost::asio::signal_set stop(io, SIGTERM, SIGINT);
  stop.async_wait([&](boost::system::error_code failed, int) {
    if (!failed) io.stop();
  });
  lifecycle.start();
  io.run();
  lifecycle.stop();
  return outcome;
}

}  // namespace pilotlight::plugin
