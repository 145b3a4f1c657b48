#include "sidecar/front/lifecycle.h"

#include <csignal>
#include <format>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"

namespace pilotlight::front {

using wire::Failure;
using wire::FailureClass;

namespace {

// After this long without a crash, the next one is met as if it were the first.
constexpr std::chrono::seconds kSteadyAfter{60};

constexpr std::chrono::minutes kReplacedAtMostEvery{1};

// What an engine says is cut: it may be anybody's by now.
std::string text(const nlohmann::json& document, const char* name) {
  constexpr std::size_t kMost = 100;
  const auto found = document.find(name);
  return found != document.end() && found->is_string() ? found->get<std::string>().substr(0, kMost) : "";
}

nlohmann::json part(const nlohmann::json& document, const char* name) {
  const auto found = document.find(name);
  return found != document.end() && found->is_object() ? *found : nlohmann::json::object();
}

double number(const nlohmann::json& document, const char* name) {
  const auto found = document.find(name);
  return found != document.end() && found->is_number() ? found->get<double>() : -1;
}

}  // namespace

Lifecycle::Lifecycle(Config config, artifact::FetchOptions fetch, Timers& timers, Fetcher& fetcher,
                     StartEngine start_engine, Memory& memory, const wire::Arena& arena)
    : config_(std::move(config)),
      fetch_options_(std::move(fetch)),
      timers_(timers),
      fetcher_(fetcher),
      start_engine_(std::move(start_engine)),
      memory_(memory),
      arena_(arena),
      trial_(timers, [this](std::string reason) { graph_hangs(std::move(reason)); }),
      began_(timers.now()),
      phase_began_(began_) {
  if (config_.signature) fetch_options_.signature_uri = config_.signature->uri;
  status_.since = timers.wall();
}

void Lifecycle::start() {
  if (config_.invalid) return fail(*config_.invalid, nullptr);
  if (auto refused = unsigned_machine_code(config_.load.format, config_.signature)) {
    return fail(*std::move(refused), nullptr);
  }
  if (const auto before = memory_.recall()) {
    verdict_ = *before;
    status_.attempt = before->attempt;
    config_.load.graph = wire::graph_from_name(before->graph);
    if (before->phase == Phase::kRetrying) ++status_.attempt;  // that it was waiting for
    // What has never come to its end may have taken the container with it, and would again.
    const auto trying = wire::graph_from_name(before->trying);
    if (before->checked.empty() && trying && GraphTrial::blamed(config_.load, *trying)) {
      log::Warn("A form of the model's graph is given up", {{"graph", before->trying}});
    }
    if (before->final_failure) return fail(*before->final_failure, nullptr);
    if (before->phase != Phase::kDraining) {
      status_.engine_last_exit = std::format("the container ended while {}", phase_name(before->phase));
    }
  }
  fetch();
}

Status Lifecycle::status() const {
  Status now = status_;
  now.bytes_fetched = fetcher_.progress().bytes;
  now.bytes_total = fetcher_.progress().total;
  return now;
}

void Lifecycle::enter(Phase phase) {
  if (draining_) phase = Phase::kDraining;
  if (phase != status_.phase) {
    status_.phase = phase;
    status_.since = timers_.wall();
    phase_began_ = timers_.now();
  }
  status_.final = phase == Phase::kFailed;
  remember();
  memory_.last_words(last_words(phase));
  log::Info("Phase", {{"phase", phase_name(phase)}, {"revision", config_.identity.revision}});
  if (observer_.changed) observer_.changed();
}

void Lifecycle::remember() {
  verdict_.phase = status_.phase;
  verdict_.attempt = status_.attempt;
  verdict_.trying = trial_.at() ? wire::graph_name(*trial_.at()) : "";
  memory_.remember(verdict_);
}

// What to tell of a container that ends in this phase and cannot tell any more.
std::string Lifecycle::last_words(Phase phase) const {
  if (phase == Phase::kReady || phase == Phase::kDraining) return "";
  const auto& failure = status_.failure;
  if (failure && (phase == Phase::kFailed || phase == Phase::kRetrying)) {
    return std::format("{}: {} {}", failure->reason, failure->message, failure->remedy);
  }
  return std::format("ended while {}; if it was killed, the memory limit may be too low for the model{}",
                     phase_name(phase),
                     failure ? std::format(" (before that, {}: {})", failure->reason, failure->message) : "");
}

void Lifecycle::fetch() {
  enter(Phase::kFetching);
  // Linking LibTorch takes a while: let it do so while the file comes.
  if (config_.pinned.empty() && verdict_.checked.empty()) {
    if (!checker_ && !launch(checker_, Role::kCheck)) return;
  } else if (!server_ && !launch(server_, Role::kServe)) {
    return;
  }
  fetcher_.start(fetch_options_, [this](auto result) { fetched(std::move(result)); });
}

void Lifecycle::fetched(std::expected<artifact::Fetched, Failure> result) {
  if (stopped_) return;
  if (!result) {
    return fail(of_this_pod(std::move(result.error())), &Lifecycle::fetch);
  }
  status_.timings.fetch = seconds_since(phase_began_);
  status_.digest = result->digest;
  log::Info("Fetched", {{"digest", result->digest}, {"bytes", result->bytes}, {"kept", result->kept}});
  if (!config_.pinned.empty() && result->digest != config_.pinned) {
    return fail(
        failure(FailureClass::kPod, "SourceChanged",
                std::format("the source has {}, but the revision is pinned to {}", result->digest,
                            config_.pinned),
                "Restore the file that the revision was proven with, or change spec.model to make a new "
                "revision."),
        nullptr);
  }
  if (!config_.digest.empty() && result->digest != config_.digest) {
    return fail(
        failure(config_.pinned.empty() ? FailureClass::kRevision : FailureClass::kPod, "DigestMismatch",
                std::format("the source has {}, but spec.model.digest is {}", result->digest, config_.digest),
                "If the file is the right one, correct spec.model.digest; if not, spec.model.uri."),
        nullptr);
  }
  if (auto refused = refuse_signature(*result)) return fail(*std::move(refused), &Lifecycle::fetch);
  model_ = std::move(result->file);
  config_.load.digest = result->digest;
  if (!config_.pinned.empty() || verdict_.checked == result->digest) return serve();
  check();
}

std::optional<Failure> Lifecycle::refuse_signature(const artifact::Fetched& model) {
  signature_ = nullptr;
  signature_warning_.clear();
  if (!config_.signature) return std::nullopt;
  auto found = judge_signature(*config_.signature, model);
  if (found) {
    signature_ = *std::move(found);
    log::Info("Signed", {{"key", signature_.value("keyId", "")}});
    return std::nullopt;
  }
  if (config_.signature->required) return of_this_pod(std::move(found.error()));
  signature_warning_ = std::format("{}: {}", found.error().reason, found.error().message);
  log::Warn("Not signed as the spec wishes", {{"warning", signature_warning_}});
  return std::nullopt;
}

void Lifecycle::add_signature(nlohmann::json& proof) const {
  if (!proof.is_object()) return;
  // The engine knows nothing of it, whatever it says.
  proof.erase("signature");
  if (!signature_.is_null()) proof["signature"] = signature_;
  if (signature_warning_.empty()) return;
  auto& warnings = proof["warnings"];
  if (!warnings.is_array()) warnings = nlohmann::json::array();
  warnings.push_back(signature_warning_);
}

Failure Lifecycle::of_this_pod(Failure failure) const {
  // A pod of a proven revision cannot speak against it.
  if (!config_.pinned.empty() && failure.failure_class == FailureClass::kRevision) {
    failure.failure_class = FailureClass::kPod;
  }
  return failure;
}

void Lifecycle::check() {
  enter(Phase::kChecking);
  trial_.over();
  if (!checker_ && !launch(checker_, Role::kCheck)) return;
  const int descriptors[] = {model_.get()};
  checking_ = true;
  checker_->load(config_.load, descriptors);
  // The next one links meanwhile.
  if (!server_ && !launch(server_, Role::kServe)) return;
  arm_deadline(config_.validation_timeout, &Lifecycle::check_took_too_long);
}

void Lifecycle::check_ended(Exit exit) {
  const auto gone = std::move(checker_);
  if (stopped_) return;
  if (!checking_) {
    // It ended while it was waiting for the file; a new one is started when the file is there.
    log::Warn("The waiting engine ended", {{"exit", describe(exit)}});
    return;
  }
  checking_ = false;
  deadline_.reset();
  if (auto what = forbidden(exit); !what.empty()) return fail(sandbox_violation(std::move(what)), nullptr);
  if (device_failed() && trial_.blamed(config_.load)) {
    log::Warn("A form of the model's graph is given up", {{"exit", pending_->message}});
    pending_.reset();
    return check();
  }
  if (pending_) return fail(*std::exchange(pending_, std::nullopt), &Lifecycle::check);
  if (verdict_.checked == status_.digest) return serve();
  const auto reason = std::exchange(killed_for_, {});
  const bool out_of_memory = std::exchange(out_of_memory_, false);
  status_.engine_last_exit = reason.empty() ? describe(exit) : reason;
  if (trial_.blamed(config_.load)) {
    log::Warn("A form of the model's graph is given up", {{"exit", status_.engine_last_exit}});
    return check();
  }
  if (!reason.empty() && !out_of_memory) {
    return fail(failure(FailureClass::kRevision, "CheckTimeout", reason,
                        "Raise spec.validation.timeout, or give the pod more CPU."),
                nullptr);
  }
  if (exit.signal == SIGKILL) {
    return fail(failure(FailureClass::kWorld, "OutOfMemory", "the engine was killed while checking the model",
                        "Raise resources.limits.memory in spec.template; it is tried again."),
                &Lifecycle::check);
  }
  fail(failure(FailureClass::kRevision, "CrashedInCheck",
               std::format("the engine ended with {} while checking the model", describe(exit)),
               "The model's file is damaged, or does what a model may not; export it again."),
       nullptr);
}

void Lifecycle::serve() {
  enter(Phase::kLoading);
  trial_.over();
  if (!server_ && !launch(server_, Role::kServe)) return;
  const int descriptors[] = {model_.get(), arena_.fd()};
  loading_ = true;
  server_->load(config_.load, descriptors);
  arm_deadline(
      config_.validation_timeout + std::chrono::duration<double>(config_.load.warmup_timeout_seconds),
      &Lifecycle::load_took_too_long);
}

bool Lifecycle::launch(std::unique_ptr<Engine>& slot, Role role) {
  EngineEvents events;
  events.progress = [this](const nlohmann::json& document) { progressed(document); };
  events.failed = [this](const nlohmann::json& document) { engine_failed(document); };
  events.violation = [this](const nlohmann::json& document) { engine_violated(document); };
  if (role == Role::kCheck) {
    events.loaded = [this](const nlohmann::json& document) { checked(document); };
    events.exited = [this](Exit exit) { check_ended(exit); };
  } else {
    events.loaded = [this](const nlohmann::json& document) { loaded(document); };
    events.result = [this](const wire::ParsedResult& result) {
      if (serving_ && observer_.result) observer_.result(result);
    };
    events.rechecked = [this](const wire::Rechecked& result) {
      if (serving_ && observer_.rechecked) observer_.rechecked(result);
    };
    events.exited = [this](Exit exit) { serve_ended(exit); };
  }
  auto started = start_engine_(role, std::move(events));
  if (started) {
    slot = *std::move(started);
    return true;
  }
  fail(failure(FailureClass::kWorld, "EngineCrashed", started.error(),
               "The node may be out of processes or memory; it is tried again."),
       &Lifecycle::fetch);
  return false;
}

void Lifecycle::progressed(const nlohmann::json& document) {
  if ((checking_ || loading_) && document.contains("graph")) {
    trial_.heard(document);
    const auto trying = trial_.at() ? wire::graph_name(*trial_.at()) : "";
    if (trying != verdict_.trying) remember();
  }
  const auto found = document.find("phase");
  if (found == document.end() || !found->is_string()) return;
  const auto phase = phase_from_name(found->get_ref<const std::string&>());
  if (phase == Phase::kChecking || (loading_ && (phase == Phase::kLoading || phase == Phase::kWarming))) {
    // The checker loads as well, but the pod is then still checking.
    if (*phase != status_.phase && (checking_ || loading_)) enter(*phase);
  }
}

void Lifecycle::graph_hangs(std::string reason) {
  killed_for_ = std::move(reason);
  if (checking_ && checker_) checker_->kill();
  if (loading_ && server_) server_->kill();
}

void Lifecycle::checked(const nlohmann::json& document) {
  if (!checking_) return checker_->kill();  // nobody asked
  trial_.over();
  status_.timings.check = seconds_since(phase_began_);
  verdict_.checked = status_.digest;
  const auto proof = part(document, "proof");
  if (const auto tried = proof.find("graphs"); tried != proof.end()) verdict_.graphs = *tried;
  verdict_.graph = text(part(proof, "runtime"), "graph");
  config_.load.graph = wire::graph_from_name(verdict_.graph);
  remember();
  checker_->kill();
}

void Lifecycle::loaded(const nlohmann::json& document) {
  if (!loading_) return server_->kill();  // nobody asked
  const auto contract = document.find("contract");
  auto parsed = contract == document.end()
                    ? std::expected<wire::Contract, std::string>(std::unexpect, "missing")
                    : wire::contract_from_json(*contract, false);
  if (!parsed) {
    log::Error("The engine's contract cannot be read; it is ended", {{"error", parsed.error()}});
    return server_->kill();
  }
  loading_ = false;
  trial_.over();
  deadline_.reset();
  status_.contract = *std::move(parsed);
  if (const auto proof = document.find("proof"); proof != document.end()) {
    status_.proof = *proof;
    add_signature(status_.proof);
    // It was told which form to serve; what was compared stands in the check's proof.
    if (!verdict_.graphs.is_null() && status_.proof.is_object() && !status_.proof.contains("graphs")) {
      status_.proof["graphs"] = verdict_.graphs;
    }
  }
  if (const auto timings = document.find("timings"); timings != document.end() && timings->is_object()) {
    status_.timings.load = number(*timings, "load");
    status_.timings.warm = number(*timings, "warm");
    if (status_.timings.check < 0) status_.timings.check = number(*timings, "check");
  }
  if (status_.timings.total < 0) status_.timings.total = seconds_since(began_);
  status_.failure.reset();
  status_.recheck.reset();
  serving_ = true;
  world_.reset();
  steady_ = timers_.after(kSteadyAfter, [this] { respawn_.reset(); });
  enter(Phase::kReady);
  if (observer_.serving) observer_.serving(*server_);
}

void Lifecycle::engine_failed(const nlohmann::json& document) {
  if (!checking_ && !loading_ && !serving_) return;
  pending_ = wire::failure_from_json(document);
  if (pending_->phase.empty()) pending_->phase = phase_name(status_.phase);
  if (!serving_) return;
  // An engine that has begun to serve has nothing else to say, and is believed no more than that.
  if (!device_failed()) return pending_.reset();
  pending_ =
      failure(FailureClass::kWorld, std::string(wire::kDeviceFailed), text(document, "message"),
              "The engine is started again, and the pod replaced if its device fails the model's proof "
              "then; look at the node's kernel log for Xid errors.");
}

bool Lifecycle::device_failed() const {
  return pending_ && pending_->reason == wire::kDeviceFailed;
}

void Lifecycle::engine_violated(const nlohmann::json& document) {
  if (!checking_ && !loading_ && !serving_) return;
  forbidden_ = std::format("the model tried to {} ({})", text(document, "purpose"), text(document, "call"));
}

std::string Lifecycle::forbidden(const Exit& exit) {
  if (!forbidden_.empty()) return std::exchange(forbidden_, {});
  // With its signals blocked a process cannot tell; the kernel ends it all the same.
  return exit.signal == SIGSYS ? "the model made a system call that it may not make" : "";
}

Failure Lifecycle::sandbox_violation(std::string what) const {
  return failure(
      config_.pinned.empty() ? FailureClass::kRevision : FailureClass::kPod, "SandboxViolation",
      std::move(what),
      "A model may only compute. Take out what does this and export it again; if nothing in it does, "
      "report the call.");
}

void Lifecycle::serve_ended(Exit exit) {
  const auto gone = std::move(server_);
  if (stopped_) return;
  const bool was_serving = std::exchange(serving_, false);
  const bool was_loading = std::exchange(loading_, false);
  resting_ = false;
  held_at_first_.reset();
  const auto reason = std::exchange(killed_for_, {});
  if (!was_serving && !was_loading) {
    log::Warn("The waiting engine ended", {{"exit", describe(exit)}});
    return;
  }
  deadline_.reset();
  steady_.reset();
  auto violation = forbidden(exit);
  if (was_loading && !violation.empty()) return fail(sandbox_violation(std::move(violation)), nullptr);
  const bool silent = !pending_ || device_failed();
  const bool other_form = was_loading && silent && trial_.blamed(config_.load);
  auto said = std::exchange(pending_, std::nullopt);
  if (was_loading && said && !other_form) {
    // A device that fails in the proof of a model that this pod has served before is this pod's.
    const bool served = !status_.proof.is_null();
    if (said->reason == wire::kDeviceFailed && served) said->failure_class = FailureClass::kPod;
    return fail(*std::move(said), &Lifecycle::serve);
  }
  status_.engine_last_exit = !violation.empty() ? violation
                             : said             ? said->message
                             : !reason.empty()  ? reason
                                                : describe(exit);
  ++status_.engine_restarts;
  const bool out_of_memory = std::exchange(out_of_memory_, false);
  if (other_form) {
    log::Warn("A form of the model's graph is given up", {{"exit", status_.engine_last_exit}});
    return serve();
  }
  const bool killed = out_of_memory || (exit.signal == SIGKILL && reason.empty());
  status_.failure = failure(
      FailureClass::kWorld, out_of_memory || (killed && was_loading) ? "OutOfMemory" : "EngineCrashed",
      std::format("the engine ended while {} with {}", was_serving ? "serving" : "loading the model",
                  status_.engine_last_exit),
      killed
          ? "If it was the memory limit, raise resources.limits.memory in spec.template; it is started again."
          : "It is started again; look at the pod's log for the request before it.");
  if (!violation.empty()) {
    // The requests before it were answered: it may be this one's.
    status_.failure = sandbox_violation("while serving, " + violation);
    status_.failure->failure_class = FailureClass::kWorld;
  }
  log::Error("The engine ended", {{"exit", status_.engine_last_exit}, {"restarts", status_.engine_restarts}});
  const bool by_itself = reason.empty() && exit.signal != SIGKILL && !said;
  if (said && violation.empty()) status_.failure = *std::move(said);
  if (was_serving && observer_.lost) observer_.lost(by_itself ? EngineEnd::kCrashed : EngineEnd::kKilled);
  enter(was_serving ? Phase::kLoading : Phase::kRetrying);
  retry_ = timers_.after(respawn_.next(), [this] { serve(); });
}

void Lifecycle::fail(Failure what, void (Lifecycle::*again)()) {
  const bool final = what.failure_class != FailureClass::kWorld || again == nullptr;
  log::Error(final ? "Failed" : "Failed, will try again",
             {{"class", wire::failure_class_name(what.failure_class)},
              {"reason", what.reason},
              {"message", what.message}});
  status_.failure = std::move(what);
  deadline_.reset();
  trial_.over();
  if (final) {
    verdict_.final_failure = status_.failure;
    checking_ = loading_ = false;
    if (checker_) checker_->kill();
    if (server_) server_->kill();
    return enter(Phase::kFailed);
  }
  enter(Phase::kRetrying);
  retry_ = timers_.after(world_.next(), [this, again] {
    ++status_.attempt;
    (this->*again)();
  });
}

void Lifecycle::arm_deadline(std::chrono::duration<double> limit, void (Lifecycle::*passed)()) {
  deadline_ = timers_.after(limit, [this, passed] { (this->*passed)(); });
}

void Lifecycle::check_took_too_long() {
  killed_for_ = std::format("the check did not end within {} s", config_.validation_timeout.count());
  if (checker_) checker_->kill();
}

void Lifecycle::load_took_too_long() {
  killed_for_ = "loading did not end in time";
  if (server_) server_->kill();
}

Patience Lifecycle::patience() const {
  const auto warmup = status_.proof.is_object() ? status_.proof.find("warmup") : status_.proof.end();
  return {config_.endpoint_timeout, *status_.contract,
          warmup == status_.proof.end() ? nlohmann::json() : *warmup};
}

void Lifecycle::engine_hangs(Patience::Seconds patience) {
  if (!serving_ || !server_) return;
  killed_for_ = std::format("an inference did not end within {:.3g} s", patience.count());
  server_->kill();
}

void Lifecycle::memory_held(std::uint64_t held, std::uint64_t limit) {
  if (!checking_ && !loading_ && !serving_) return;
  const std::uint64_t hundredth = limit / 100;
  if (held > 95 * hundredth) return end_for_memory(held, limit);
  if (!serving_ || resting_) return;
  if (!held_at_first_) held_at_first_ = held;
  // A model that needs this much from the start would need it again.
  if (held <= 90 * hundredth || held <= *held_at_first_ + 5 * hundredth) return;
  if (replaced_ && timers_.now() - *replaced_ < kReplacedAtMostEvery) return;
  replaced_ = timers_.now();
  resting_ = true;
  log::Warn("The engine has grown, and is replaced", {{"held", held}, {"limit", limit}});
  if (observer_.rest) observer_.rest([this, held, limit] { end_for_memory(held, limit); });
}

void Lifecycle::end_for_memory(std::uint64_t held, std::uint64_t limit) {
  constexpr std::uint64_t kMiB = 1024 * 1024;
  out_of_memory_ = true;
  killed_for_ = std::format("{} MiB of the container's {} MiB in use", held / kMiB, limit / kMiB);
  if (checking_ && checker_) checker_->kill();
  if ((loading_ || serving_) && server_) server_->kill();
}

void Lifecycle::drain() {
  draining_ = true;
  enter(Phase::kDraining);
}

void Lifecycle::stop() {
  stopped_ = true;
  retry_.reset();
  deadline_.reset();
  steady_.reset();
  trial_.over();
  checking_ = loading_ = false;
  checker_.reset();
  const bool was_serving = std::exchange(serving_, false);
  server_.reset();
  if (was_serving && observer_.lost) observer_.lost(EngineEnd::kKilled);
}

Failure Lifecycle::failure(FailureClass failure_class, std::string reason, std::string message,
                           std::string remedy) const {
  return {.failure_class = failure_class,
          .reason = std::move(reason),
          .phase = std::string(phase_name(status_.phase)),
          .message = std::move(message),
          .remedy = std::move(remedy)};
}

double Lifecycle::seconds_since(Clock::time_point begun) const {
  return std::chrono::duration<double>(timers_.now() - begun).count();
}

}  // namespace pilotlight::front
