#include "sidecar/front/front.h"

#include <algorithm>
#include <format>
#include <optional>
#include <stdexcept>

#include "common/log/log.h"
#include "sidecar/front/admin.h"
#include "sidecar/front/api.h"
#include "sidecar/front/inferences.h"
#include "sidecar/front/memory.h"
#include "sidecar/front/metrics.h"
#include "sidecar/front/recheck.h"
#include "sidecar/front/sizes.h"
#include "sidecar/front/timers.h"
#include "sidecar/wire/arena.h"

namespace pilotlight::front {
namespace {

wire::Arena make_arena(const Config& config) {
  auto arena = wire::Arena::create(arena_bytes(config));
  if (!arena)
    throw std::runtime_error(std::format("no shared memory for tensors: {}", arena.error().message()));
  return *std::move(arena);
}

artifact::FetchOptions fetch_options(const Config& config, const FrontOptions& options) {
  return {.uri = config.uri,
          .staging = options.state / "artifact",
          .credentials = options.credentials,
          .volume = options.volume,
          .max_bytes = config.max_model_bytes};
}

// How many a proof was made with.
std::uint64_t golden_cases(const nlohmann::json& proof) {
  if (!proof.is_object()) return 0;
  const auto found = proof.find("cases");
  return found != proof.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

http::Limits admin_limits() {
  return {.body_bytes = 0, .connections = 128};
}

}  // namespace

struct Front::Parts {
  Parts(boost::asio::io_context& io, const Config& config, const FrontOptions& settings, Launcher& launcher)
      : options(settings),
        arena(make_arena(config)),
        timers(io),
        fetcher(io),
        memory(options.state, options.termination_log,
               config.identity.pod_uid + "/" + config.identity.revision + "/" + config.pinned),
        lifecycle(
            config, fetch_options(config, options), timers, fetcher,
            [&io, &launcher](Role role, EngineEvents events) {
              return Engine::start(io, launcher, role, std::move(events));
            },
            memory, arena),
        inferences(arena, output_bytes(config), timers, {.waiting = options.waiting_requests},
                   [this](Patience::Seconds patience) { lifecycle.engine_hangs(patience); }),
        recheck(timers, config.recheck_interval,
                {.ask =
                     [this](std::uint64_t golden_case, Recheck::Answered done) {
                       return lifecycle.ready() && inferences.recheck(golden_case, std::move(done));
                     },
                 .ended =
                     [this](RecheckReport report) {
                       metrics.rechecked(report);
                       lifecycle.note(std::move(report));
                     },
                 .unconfirmed = [this] { metrics.recheck_unconfirmed(); }}),
        metrics(config.identity),
        api(lifecycle, inferences, metrics, options.access_log),
        admin(lifecycle, metrics, [this] { refresh(); }),
        data_listener(io, api, options.limits),
        admin_listener(io, admin, admin_limits()),
        guard(timers, options.memory,
              [this](const CgroupMemory& now) { lifecycle.memory_held(now.held, now.limit); }) {}

  void refresh() {
    metrics.set_state(lifecycle.status());
    metrics.set_load(data_listener.connections(), inferences.waiting(), inferences.in_flight());
  }

  FrontOptions options;
  wire::Arena arena;
  LoopTimers timers;
  ThreadFetcher fetcher;
  Memory memory;
  Lifecycle lifecycle;
  Inferences inferences;
  Recheck recheck;
  Metrics metrics;
  Api api;
  Admin admin;
  http::Listener data_listener;
  http::Listener admin_listener;
  MemoryGuard guard;
  std::optional<Drain> drain;
};

Front::Front(boost::asio::io_context& io, const Config& config, const FrontOptions& options,
             Launcher& launcher)
    : parts_(std::make_unique<Parts>(io, config, options, launcher)) {
  parts_->lifecycle.observe(
      {.changed =
           [this] {
             if (changed) changed();
           },
       .serving =
           [parts = parts_.get()](Engine& engine) {
             parts->inferences.serve_with(engine, *parts->lifecycle.contract(), parts->lifecycle.patience());
             parts->recheck.serving(golden_cases(parts->lifecycle.status().proof));
           },
       .lost =
           [parts = parts_.get()](EngineEnd end) {
             parts->recheck.lost();
             parts->inferences.lost(end);
           },
       .rest = [parts =
                    parts_.get()](std::function<void()> idle) { parts->inferences.rest(std::move(idle)); },
       .result = [parts =
                      parts_.get()](const wire::ParsedResult& result) { parts->inferences.result(result); },
       .rechecked =
           [parts = parts_.get()](const wire::Rechecked& result) { parts->inferences.rechecked(result); }});
}

Front::~Front() {
  parts_->lifecycle.stop();
}

std::expected<void, std::string> Front::start() {
  if (auto admin = parts_->admin_listener.listen(parts_->options.admin_address); !admin) return admin;
  if (auto data = parts_->data_listener.listen(parts_->options.data_address); !data) return data;
  parts_->lifecycle.start();
  parts_->guard.start();
  return {};
}

void Front::drain(std::function<void()> done) {
  if (parts_->drain) return;
  log::Info("Draining", {{"connections", std::uint64_t{parts_->data_listener.connections()}}});
  parts_->lifecycle.drain();
  auto times = parts_->options.drain;
  times.finish = std::max(times.finish, parts_->lifecycle.config().endpoint_timeout);
  parts_->drain.emplace(parts_->data_listener, parts_->timers, times,
                        [parts = parts_.get(), done = std::move(done)] {
                          parts->lifecycle.stop();
                          done();
                        });
  parts_->drain->begin();
}

std::uint16_t Front::data_port() const {
  return parts_->data_listener.port();
}
std::uint16_t Front::admin_port() const {
  return parts_->admin_listener.port();
}
const Lifecycle& Front::lifecycle() const {
  return parts_->lifecycle;
}

}  // namespace pilotlight::front
