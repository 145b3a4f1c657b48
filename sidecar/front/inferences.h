#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/front/arena_heap.h"
#include "sidecar/front/deadly_inputs.h"
#include "sidecar/front/engine.h"
#include "sidecar/front/inputs.h"
#include "sidecar/front/patience.h"
#include "sidecar/front/timers.h"
#include "sidecar/wire/arena.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::front {

struct OutputTensor {
  std::string_view name;
  wire::Datatype datatype;
  std::span<const std::int64_t> shape;
  std::span<const std::byte> bytes;
};

enum class Outcome {
  kOk,
  kModelError,
  kOutputTooLarge,
  kOutOfMemory,
  kContractBroken,
  kNonFinite,
  kEngineLost,  // it died with the request in hand
  kExpired,     // its deadline passed while it waited
  kDeadly,      // engines have ended with the same inputs
};

// What became of an inference. The outputs are valid during the call only.
struct Answer {
  Outcome outcome = Outcome::kOk;
  std::span<const OutputTensor> outputs = {};
  std::chrono::nanoseconds queued{};
  std::chrono::nanoseconds compute{};
};

// The inferences that wait for the engine and those that it has. Runs on the loop's thread.
class Inferences {
 public:
  struct Limits {
    std::size_t waiting = 128;
  };

  // `hangs` is called when the engine is at an inference for longer than its patience with it, which it is
  // told.
  Inferences(const wire::Arena& arena, std::uint64_t output_bytes, Timers& timers, Limits limits,
             std::function<void(Patience::Seconds)> hangs);

  ArenaHeap& heap() { return heap_; }

  // An engine is there, and answers by this contract, which must stay until lost().
  void serve_with(Engine& engine, const wire::Contract& contract, Patience patience);
  // The engine is no more: what it was at fails; what it had not begun, and what waits, waits for the next.
  void lost(EngineEnd end);
  // Hands nothing more to the engine; `idle` is called, once, when it has answered what it has. The next
  // engine is served as ever.
  void rest(std::function<void()> idle);
  void result(const wire::ParsedResult& result);

  // Has the engine run a golden case again, before all that waits and under the same clock. False if there is
  // no engine; else `done` is called exactly once, with null if the engine was lost first.
  bool recheck(std::uint64_t golden_case, std::function<void(const wire::Rechecked*)> done);
  void rechecked(const wire::Rechecked& result);
  // How many there have been, with those.
  std::uint64_t asked() const { return last_id_; }

  // The number of a new inference, for cancel(); 0 if too many wait already. `done` is called exactly once
  // unless it is cancelled.
  std::uint64_t submit(Inputs inputs, Timers::Clock::time_point deadline,
                       std::function<void(const Answer&)> done);
  // Nobody wants the answer any more. What the engine has, it finishes.
  void cancel(std::uint64_t id);

  // Whether one more would go to the engine now, and make nothing wait that is here.
  bool takes_at_once() const;
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t in_flight() const;

 private:
  using Clock = Timers::Clock;
  struct Work {
    std::uint64_t id = 0;
    Inputs inputs;
    Clock::time_point deadline;
    Clock::time_point submitted;
    Clock::time_point sent;
    std::function<void(const Answer&)> done;
    // A golden case in place of inputs and `done`.
    std::uint64_t golden_case = 0;
    std::function<void(const wire::Rechecked*)> rechecked;
    std::uint64_t order = 0;  // of sending
  };
  // One at the engine, one on its way, so that the engine never waits for us.
  static constexpr std::size_t kDepth = 2;

  void pump();
  void report_idle();
  bool send(Work& work, std::size_t slot);
  void sweep();
  // What the engine is at: it works in the order of sending. Null if it has nothing.
  std::optional<Work>* at();
  Patience::Seconds patience_with(const Work& work) const;
  std::uint64_t output_offset(std::size_t slot) const { return outputs_begin_ + slot * output_bytes_; }
  Outcome check_outputs(const wire::ParsedResult& result, std::size_t slot,
                        std::vector<OutputTensor>& outputs) const;

  const wire::Arena& arena_;
  std::uint64_t output_bytes_;
  std::uint64_t outputs_begin_;
  ArenaHeap heap_;
  Timers& timers_;
  Limits limits_;
  std::function<void(Patience::Seconds)> hangs_;
  DeadlyInputs deadly_;
  Engine* engine_ = nullptr;
  std::function<void()> idle_;  // resting, until it has been called
  const wire::Contract* contract_ = nullptr;
  Patience patience_;  // with the engine that there is, or was
  std::deque<Work> waiting_;
  std::array<std::optional<Work>, kDepth> slots_;
  Clock::time_point engine_since_;  // when the engine took up what it is at now
  std::uint64_t last_id_ = 0;
  std::uint64_t last_order_ = 0;
  Timers::Handle sweep_;
};

}  // namespace pilotlight::front
