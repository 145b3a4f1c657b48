#include "sidecar/front/front.h"

#include <algorithm>
#include <format>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/log/log.h"
#include "sidecar/front/admin.h"
#include "sidecar/front/api.h"
#include "sidecar/front/inferences.h"
#include "sidecar/front/memory.h"
#include "sidecar/front/metrics.h"
#include "sidecar/front/recheck.h"
#include "sidecar/front/sizes.h"
#include "sidecar/front/split/hop_service.h"
#include "sidecar/front/split/identity.h"
#include "sidecar/front/split/orders.h"
#include "sidecar/front/split/probes.h"
#include "sidecar/front/split/split.h"
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

// A connection costs 0.1 MiB (measured), and those who may have one keep it.
http::Limits hop_limits(http::Limits limits) {
  limits.connections = 64;
  return limits;
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
                {.ask = std::bind_front(&Parts::run_golden_case, this),
                 .ended =
                     [this](RecheckReport report) {
                       metrics.rechecked(report);
                       lifecycle.note(std::move(report));
                     },
                 .unconfirmed = [this] { metrics.recheck_unconfirmed(); }}),
        probes(timers, {.ask = std::bind_front(&Parts::run_golden_case, this),
                        .inferences = [this] { return inferences.asked(); }}),
        metrics(config.identity),
        split(io, timers, hop_identity,
              {.revision = config.identity.revision,
               .pod_uid = config.identity.pod_uid,
               .peer_port = options.peer_port,
               .loopback = options.loopback_peers}),
        api(lifecycle, inferences, metrics, split, options.access_log),
        hop_service(api, split),
        hop_server(hop_identity.server([this](const Fingerprint& caller) { return split.accepts(caller); })),
        orders(config.identity, options.operator_keys, options.state, timers,
               {.split = [this](std::uint64_t epoch,
                                const nlohmann::json& body) { return obey_split(epoch, body); },
                .drain = [this] { drain([] {}); }}),
        admin(
            lifecycle, metrics, orders, [this] { refresh(); },
            [this](nlohmann::json& document) { extend(document); }),
        data_listener(io, api, options.limits),
        hop_listener(io, hop_service, hop_limits(options.limits), &hop_server->context()),
        admin_listener(io, admin, admin_limits()),
        guard(timers, options.memory,
              [this](const CgroupMemory& now) { lifecycle.memory_held(now.held, now.limit); }) {}

  bool run_golden_case(std::uint64_t golden_case, Recheck::Answered done) {
    return lifecycle.ready() && inferences.recheck(golden_case, std::move(done));
  }

  std::expected<void, std::string> obey_split(std::uint64_t epoch, const nlohmann::json& body) {
    auto applied = split.apply(epoch, body);
    if (applied) probes.order(split.document()->probe_every, split.document()->expires_at);
    return applied;
  }

  void refresh() {
    metrics.set_state(lifecycle.status());
    metrics.set_load(data_listener.connections(), inferences.waiting(), inferences.in_flight());
    metrics.set_split(split);
  }

  void extend(nlohmann::json& document) const {
    document["lastEpoch"] = orders.last_epoch();
    if (!options.hop_address.empty()) {
      document["hop"] = {{"port", hop_listener.port()},
                         {"certificate", fingerprint_text(hop_identity.fingerprint())}};
    }
    if (probes.requests() > 0) document["probes"] = {{"requests", probes.requests()}, {"bad", probes.bad()}};
    if (auto told = split.to_json(); !told.is_null()) document["split"] = std::move(told);
  }

  void drain(std::function<void()> done) {
    if (drained) return done();
    on_drained.push_back(std::move(done));
    if (draining) return;
    log::Info("Draining", {{"connections", std::uint64_t{data_listener.connections()}}});
    lifecycle.drain();
    auto times = options.drain;
    times.finish = std::max(times.finish, lifecycle.config().endpoint_timeout);
    draining.emplace(std::vector{&data_listener, &hop_listener}, timers, times, [this] {
      lifecycle.stop();
      drained = true;
      for (const auto& each : std::exchange(on_drained, {})) each();
    });
    draining->begin();
  }

  FrontOptions options;
  wire::Arena arena;
  LoopTimers timers;
  ThreadFetcher fetcher;
  Memory memory;
  Lifecycle lifecycle;
  Inferences inferences;
  Recheck recheck;
  Probes probes;
  Metrics metrics;
  HopIdentity hop_identity;
  Split split;
  Api api;
  HopService hop_service;
  std::unique_ptr<HopIdentity::Server> hop_server;
  Orders orders;
  Admin admin;
  http::Listener data_listener;
  http::Listener hop_listener;
  http::Listener admin_listener;
  MemoryGuard guard;
  std::optional<Drain> draining;
  bool drained = false;
  std::vector<std::function<void()>> on_drained;
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
             const auto cases = golden_cases(parts->lifecycle.status().proof);
             parts->recheck.serving(cases);
             parts->probes.serving(cases);
           },
       .lost =
           [parts = parts_.get()](EngineEnd end) {
             parts->recheck.lost();
             parts->probes.lost();
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
  if (const auto& hop = parts_->options.hop_address; !hop.empty()) {
    if (auto listening = parts_->hop_listener.listen(hop); !listening) return listening;
  }
  if (auto data = parts_->data_listener.listen(parts_->options.data_address); !data) return data;
  parts_->lifecycle.start();
  parts_->guard.start();
  return {};
}

void Front::drain(std::function<void()> done) {
  parts_->drain(std::move(done));
}

std::uint16_t Front::data_port() const {
  return parts_->data_listener.port();
}
std::uint16_t Front::admin_port() const {
  return parts_->admin_listener.port();
}
std::uint16_t Front::hop_port() const {
  return parts_->options.hop_address.empty() ? 0 : parts_->hop_listener.port();
}
const Lifecycle& Front::lifecycle() const {
  return parts_->lifecycle;
}

}  // namespace pilotlight::front
