#include "sidecar/front/inferences.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace pilotlight::front {
namespace {

constexpr std::chrono::milliseconds kSweep{100};

Outcome outcome_of(wire::Status status) {
  switch (status) {
    case wire::Status::kOk:
      return Outcome::kOk;
    case wire::Status::kModelError:
      return Outcome::kModelError;
    case wire::Status::kOutputTooLarge:
      return Outcome::kOutputTooLarge;
    case wire::Status::kOutOfMemory:
      return Outcome::kOutOfMemory;
    case wire::Status::kNonFinite:
      return Outcome::kNonFinite;
    case wire::Status::kContractBroken:
      break;
  }
  return Outcome::kContractBroken;  // and whatever number else it may be
}

}  // namespace

Inferences::Inferences(const wire::Arena& arena, std::uint64_t output_bytes, Timers& timers, Limits limits,
                       std::function<void(Patience::Seconds)> hangs)
    : arena_(arena),
      output_bytes_(output_bytes / 64 * 64),
      outputs_begin_((arena.size() - kDepth * output_bytes_) / 64 * 64),
      heap_(arena.bytes(), 0, outputs_begin_),
      timers_(timers),
      limits_(limits),
      hangs_(std::move(hangs)),
      deadly_(timers),
      patience_(Patience::Seconds::max()) {}

std::size_t Inferences::in_flight() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [](const auto& slot) { return slot.has_value(); }));
}

bool Inferences::takes_at_once() const {
  return engine_ != nullptr && waiting_.empty() && in_flight() < kDepth;
}

std::optional<Inferences::Work>* Inferences::at() {
  std::optional<Work>* first = nullptr;
  for (auto& slot : slots_) {
    if (slot && (first == nullptr || slot->order < (*first)->order)) first = &slot;
  }
  return first;
}

void Inferences::serve_with(Engine& engine, const wire::Contract& contract, Patience patience) {
  engine_ = &engine;
  contract_ = &contract;
  patience_ = std::move(patience);
  pump();
}

void Inferences::lost(EngineEnd end) {
  engine_ = nullptr;
  idle_ = nullptr;
  std::optional<Work> culprit;  // every answer that the engine gave has been read
  if (auto* first = at()) culprit = *std::exchange(*first, std::nullopt);
  std::ranges::sort(slots_, std::greater(), [](const auto& slot) { return slot ? slot->order : 0; });
  for (auto& slot : slots_) {
    if (slot && (slot->done || slot->rechecked)) waiting_.push_front(std::move(*slot));
    slot.reset();
  }
  if (culprit && culprit->rechecked) waiting_.push_front(*std::exchange(culprit, std::nullopt));
  if (culprit) deadly_.ended_with(culprit->inputs, end);
  // What was to be checked again was this engine, not the next.
  const auto others =
      std::ranges::stable_partition(waiting_, [](const Work& work) { return !!work.rechecked; });
  const std::vector<Work> rechecks(std::move_iterator(waiting_.begin()), std::move_iterator(others.begin()));
  waiting_.erase(waiting_.begin(), others.begin());
  for (const Work& work : rechecks) work.rechecked(nullptr);
  if (culprit && culprit->done) {
    culprit->done({.outcome = Outcome::kEngineLost, .queued = culprit->sent - culprit->submitted});
  }
}

void Inferences::rest(std::function<void()> idle) {
  engine_ = nullptr;
  idle_ = std::move(idle);
  report_idle();
}

void Inferences::report_idle() {
  if (!idle_ || in_flight() > 0) return;
  const auto idle = std::exchange(idle_, nullptr);
  idle();
}

std::uint64_t Inferences::submit(Inputs inputs, Clock::time_point deadline,
                                 std::function<void(const Answer&)> done) {
  if (waiting_.size() >= limits_.waiting) return 0;
  waiting_.push_back({.id = ++last_id_,
                      .inputs = std::move(inputs),
                      .deadline = deadline,
                      .submitted = timers_.now(),
                      .sent = {},
                      .done = std::move(done)});
  const auto id = last_id_;
  pump();
  if (!sweep_) sweep();
  return id;
}

bool Inferences::recheck(std::uint64_t golden_case, std::function<void(const wire::Rechecked*)> done) {
  if (engine_ == nullptr) return false;
  Work work{.id = ++last_id_,
            .inputs = {},
            .deadline = Clock::time_point::max(),
            .submitted = timers_.now(),
            .sent = {},
            .done = {},
            .golden_case = golden_case,
            .rechecked = std::move(done)};
  waiting_.push_front(std::move(work));
  pump();
  if (!sweep_) sweep();
  return true;
}

void Inferences::rechecked(const wire::Rechecked& result) {
  const auto found = std::ranges::find_if(
      slots_, [&](const auto& slot) { return slot && slot->rechecked && slot->id == result.id; });
  if (found == slots_.end()) {
    log::Error("The engine answered what was not asked", {{"id", result.id}});
    return;
  }
  const auto work = std::move(**found);
  found->reset();
  engine_since_ = timers_.now();
  work.rechecked(&result);
  pump();
  report_idle();
}

void Inferences::cancel(std::uint64_t id) {
  std::erase_if(waiting_, [&](const Work& work) { return work.id == id; });
  for (auto& slot : slots_) {
    if (slot && slot->id == id) slot->done = nullptr;
  }
}

void Inferences::pump() {
  while (engine_ != nullptr && !waiting_.empty()) {
    const auto slot = std::ranges::find_if(slots_, [](const auto& one) { return !one.has_value(); });
    if (slot == slots_.end()) return;
    auto& work = waiting_.front();
    if (work.deadline <= timers_.now()) {
      const auto late = std::move(work);
      waiting_.pop_front();
      late.done({.outcome = Outcome::kExpired, .queued = timers_.now() - late.submitted});
      continue;
    }
    if (!work.rechecked && deadly_.refuses(work.inputs)) {
      const auto refused = std::move(work);
      waiting_.pop_front();
      refused.done({.outcome = Outcome::kDeadly, .queued = timers_.now() - refused.submitted});
      continue;
    }
    if (!send(work, static_cast<std::size_t>(slot - slots_.begin()))) return;
    if (in_flight() == 0) engine_since_ = work.sent;
    *slot = std::move(work);
    waiting_.pop_front();
  }
}

bool Inferences::send(Work& work, std::size_t slot) {
  work.sent = timers_.now();
  work.order = ++last_order_;
  if (work.rechecked) return engine_->recheck({.id = work.id, .golden_case = work.golden_case});
  wire::Infer infer{.kind = wire::Kind::kInfer,
                    .tensor_count = static_cast<std::uint32_t>(work.inputs.tensors.size()),
                    .id = work.id,
                    .output_offset = output_offset(slot),
                    .output_bytes = output_bytes_,
                    .tensors = {}};
  std::ranges::copy(work.inputs.tensors, infer.tensors);
  return engine_->infer(infer);
}

Outcome Inferences::check_outputs(const wire::ParsedResult& result, std::size_t slot,
                                  std::vector<OutputTensor>& outputs) const {
  const auto& specs = contract_->outputs;
  const std::size_t count = result.result.tensor_count;
  const auto bad = [](std::string_view why) {
    log::Error("The engine's result does not hold", {{"error", why}});
    return Outcome::kContractBroken;
  };
  if (specs.empty() ? result.names.size() != count : specs.size() != count) return bad("number of outputs");
  for (std::size_t i = 0; i < count; ++i) {
    const auto& tensor = result.result.tensors[i];
    if (const auto sound = wire::check_tensor(tensor, output_offset(slot), output_bytes_); !sound) {
      return bad(sound.error());
    }
    const auto shape = wire::shape_of(tensor);
    if (!specs.empty() &&
        (!wire::fits(specs[i], shape) || specs[i].datatype.value_or(tensor.datatype) != tensor.datatype)) {
      return bad("output " + specs[i].name + " has another shape or datatype than the contract");
    }
    outputs.push_back(
        {.name = specs.empty() ? std::string_view(result.names[i]) : std::string_view(specs[i].name),
         .datatype = tensor.datatype,
         .shape = shape,
         .bytes = arena_.bytes().subspan(tensor.offset, tensor.bytes)});
  }
  return Outcome::kOk;
}

void Inferences::result(const wire::ParsedResult& result) {
  const auto found = std::ranges::find_if(
      slots_, [&](const auto& slot) { return slot && !slot->rechecked && slot->id == result.result.id; });
  if (found == slots_.end()) {
    log::Error("The engine answered what was not asked", {{"id", result.result.id}});
    return;
  }
  const auto work = std::move(**found);
  const auto slot = static_cast<std::size_t>(found - slots_.begin());
  deadly_.answered(work.inputs);
  const auto began = std::max(engine_since_, work.sent);
  engine_since_ = timers_.now();
  if (work.done) {
    // The call reads the outputs where they lie, so the slot stays taken until it returns.
    std::vector<OutputTensor> outputs;
    Answer answer{.outcome = outcome_of(result.result.status),
                  .queued = began - work.submitted,
                  .compute = std::chrono::nanoseconds(result.result.compute_ns)};
    if (answer.outcome == Outcome::kOk) answer.outcome = check_outputs(result, slot, outputs);
    if (answer.outcome == Outcome::kOk) answer.outputs = outputs;
    work.done(answer);
  }
  slots_[slot].reset();
  pump();
  report_idle();
}

Patience::Seconds Inferences::patience_with(const Work& work) const {
  if (work.rechecked) return patience_.most();  // of as many rows as it likes
  const auto& tensors = work.inputs.tensors;
  const bool batched = !tensors.empty() && tensors.front().rank > 0;
  return patience_.for_rows(batched ? tensors.front().shape[0] : 1);
}

// Looks ten times a second for what has waited too long, and for an engine that does not come back.
void Inferences::sweep() {
  const auto now = timers_.now();
  std::vector<Work> late;
  for (auto work = waiting_.begin(); work != waiting_.end();) {
    if (work->deadline > now) {
      ++work;
      continue;
    }
    late.push_back(std::move(*work));
    work = waiting_.erase(work);
  }
  for (const auto& work : late) work.done({.outcome = Outcome::kExpired, .queued = now - work.submitted});
  if (const auto* first = at()) {
    const auto most = patience_with(**first);
    if (now - engine_since_ > most) {
      engine_since_ = now;
      hangs_(most);
    }
  }
  sweep_.reset();
  if (!waiting_.empty() || in_flight() > 0) sweep_ = timers_.after(kSweep, [this] { sweep(); });
}

}  // namespace pilotlight::front
