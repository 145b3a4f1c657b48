#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sidecar/front/backoff.h"
#include "sidecar/front/config.h"
#include "sidecar/front/deadly_inputs.h"
#include "sidecar/front/engine.h"
#include "sidecar/front/fetcher.h"
#include "sidecar/front/graph_trial.h"
#include "sidecar/front/memory.h"
#include "sidecar/front/patience.h"
#include "sidecar/front/status.h"
#include "sidecar/front/timers.h"
#include "sidecar/wire/arena.h"

namespace pilotlight::front {

// From nothing to a model that is proven, warm and serving, and back there after every failure that the world
// can mend. The one writer of the status.
//
//   Starting → Fetching → Checking (unpinned only) → Loading ⇄ Warming → Ready → Draining
//   any of these → Retrying → …    what the world broke, with backoff
//   any of these → Failed          what is the revision's or the pod's fault: final
//
// Runs on the loop's thread.
class Lifecycle {
 public:
  using StartEngine =
      std::function<std::expected<std::unique_ptr<Engine>, std::string>(Role role, EngineEvents events)>;

  // What follows from the engine's coming and going. All optional.
  struct Observer {
    std::function<void()> changed;         // the phase
    std::function<void(Engine&)> serving;  // an engine is ready for inferences
    std::function<void(EngineEnd)> lost;   // it is no more
    // No more inferences for the engine, and the call when it has answered those that it has.
    std::function<void(std::function<void()>)> rest;
    std::function<void(const wire::ParsedResult&)> result;
    std::function<void(const wire::Rechecked&)> rechecked;
  };

  Lifecycle(Config config, artifact::FetchOptions fetch, Timers& timers, Fetcher& fetcher,
            StartEngine start_engine, Memory& memory, const wire::Arena& arena);

  void observe(Observer observer) { observer_ = std::move(observer); }
  void start();
  // Unready from now on; the engine goes on serving what it gets.
  void drain();
  // Ends the engine for good.
  void stop();
  // Ends an engine that has not answered within so long; it is started again.
  void engine_hangs(Patience::Seconds patience);
  // What the engine that serves has shown since.
  void note(RecheckReport report) { status_.recheck = std::move(report); }
  // What the container's processes hold of its memory. Above 90 % an engine that has grown since it began to
  // serve is replaced once it has answered what it has, at most once a minute; above 95 % any engine is ended
  // at once.
  void memory_held(std::uint64_t held, std::uint64_t limit);

  const Config& config() const { return config_; }
  // With the fetch's progress as of now.
  Status status() const;
  bool ready() const { return status_.ready(); }
  // An engine is there to answer; also while draining.
  bool serving() const { return serving_ && !resting_; }
  // The contract to serve by; null before the first proof.
  const wire::Contract* contract() const { return status_.contract ? &*status_.contract : nullptr; }
  // With an engine that serves by that contract.
  Patience patience() const;

 private:
  using Clock = Timers::Clock;

  void enter(Phase phase);
  std::string last_words(Phase phase) const;
  void remember();
  void fetch();
  void fetched(std::expected<artifact::Fetched, wire::Failure> result);
  // What is at fault with the signature, if the revision demands a good one; else notes what the proof says.
  std::optional<wire::Failure> refuse_signature(const artifact::Fetched& model);
  void check();
  void check_ended(Exit exit);
  void serve();
  bool launch(std::unique_ptr<Engine>& slot, Role role);
  void progressed(const nlohmann::json& document);
  void graph_hangs(std::string reason);
  void checked(const nlohmann::json& document);
  void loaded(const nlohmann::json& document);
  void engine_failed(const nlohmann::json& document);
  bool device_failed() const;  // the engine said so before it ended
  void engine_violated(const nlohmann::json& document);
  // What the engine that ended had tried, if it was for that; and forgets it.
  std::string forbidden(const Exit& exit);
  wire::Failure sandbox_violation(std::string what) const;
  void serve_ended(Exit exit);
  // Of the proof, what the front answers for itself.
  void add_signature(nlohmann::json& proof) const;
  void fail(wire::Failure failure, void (Lifecycle::*again)());
  void end_for_memory(std::uint64_t held, std::uint64_t limit);
  void arm_deadline(std::chrono::duration<double> limit, void (Lifecycle::*passed)());
  void check_took_too_long();
  void load_took_too_long();
  wire::Failure of_this_pod(wire::Failure failure) const;
  wire::Failure failure(wire::FailureClass failure_class, std::string reason, std::string message,
                        std::string remedy) const;
  double seconds_since(Clock::time_point begun) const;

  Config config_;
  artifact::FetchOptions fetch_options_;
  Timers& timers_;
  Fetcher& fetcher_;
  StartEngine start_engine_;
  Memory& memory_;
  const wire::Arena& arena_;
  Observer observer_;

  Status status_;
  Memory::Verdict verdict_;
  wire::UniqueFd model_;
  nlohmann::json signature_;       // who has signed it; null: nobody was asked for
  std::string signature_warning_;  // why that is not known, where it need not be
  std::unique_ptr<Engine> checker_;
  std::unique_ptr<Engine> server_;
  bool checking_ = false;  // the checker has the model
  bool loading_ = false;   // the server has the model, and has not answered
  bool serving_ = false;   // the server answers
  bool resting_ = false;   // it answers what it has, and is then replaced
  bool draining_ = false;
  bool stopped_ = false;
  std::string killed_for_;                // why we ended an engine ourselves
  bool out_of_memory_ = false;            // and that was for its memory
  std::optional<wire::Failure> pending_;  // what the engine said before it ended
  std::string forbidden_;                 // what the sandbox ended it for
  GraphTrial trial_;
  Backoff world_{std::chrono::seconds(1), std::chrono::seconds(60)};
  Backoff respawn_{std::chrono::milliseconds(100), std::chrono::seconds(60)};
  std::optional<std::uint64_t> held_at_first_;  // when the engine began to serve
  std::optional<Clock::time_point> replaced_;   // the last time that it was for its memory
  Timers::Handle retry_;
  Timers::Handle deadline_;
  Timers::Handle steady_;
  Clock::time_point began_;
  Clock::time_point phase_began_;
};

}  // namespace pilotlight::front
