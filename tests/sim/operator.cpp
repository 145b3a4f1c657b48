#include "tests/sim/operator.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "operator/plan/plan.h"

namespace pilotlight::sim {
namespace {

using Code = WriteError::Code;
using namespace std::chrono_literals;

constexpr Millis kGatePatience = 10s;
// Longer than the gate is patient: what comes next is decided on a view that lacks the last write.
constexpr Millis kStaleFor = 12s;

}  // namespace

Operator::Operator(EventQueue& queue, Random& random, ApiServer& api, const Nodes& nodes, Traffic& traffic,
                   const Weather& weather, plan::Settings settings, Hooks hooks)
    : queue_(queue),
      random_(random),
      api_(api),
      settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      view_(queue, random, api, weather, [this](ObjectKind) { Wake(1ms); }),
      scraper_(queue, random, nodes, traffic, hooks_.order_fate, [this] { Wake(1ms); }) {}

std::function<void()> Operator::InThisLife(std::function<void()> what) {
  return [this, life = life_, what = std::move(what)] {
    if (running_ && life == life_) what();
  };
}

void Operator::Start() {
  running_ = true;
  ++life_;
  view_.Start();
  Wake(1ms);
}

void Operator::Stop() {
  running_ = false;
  ++life_;
  ++timer_;
  timer_at_.reset();
  dirty_ = false;
  failures_ = 0;
  work_.reset();
  expected_.clear();
  problem_.reset();
  scraper_.Forget();
}

void Operator::Crash(Millis pause) {
  if (!running_) return;
  Stop();
  queue_.After(pause, [this, life = life_] {
    if (life == life_) Start();
  });
}

// A key is in the queue once: an earlier time wins, and what comes while it is worked on comes afterwards.
void Operator::WakeAt(Moment when) {
  if (!running_) return;
  if (work_) {
    dirty_ = true;
    return;
  }
  if (timer_at_ && *timer_at_ <= when) return;
  timer_at_ = when;
  queue_.After(when - queue_.now(), InThisLife([this, timer = ++timer_] {
                 if (timer != timer_) return;
                 timer_at_.reset();
                 Reconcile();
               }));
}

void Operator::Wake(Millis delay) {
  WakeAt(queue_.now() + delay);
}

bool Operator::GateOpen() {
  std::erase_if(expected_, [&](const Expectation& expectation) {
    if (queue_.now() >= expectation.until) return true;
    const WatchBase& watch = view_.of(expectation.written.kind);
    if (expectation.written.deleted_uid.empty()) return watch.seen_up_to() >= expectation.written.version;
    return watch.UidOf(expectation.written.name) != expectation.written.deleted_uid;
  });
  return expected_.empty();
}

void Operator::Reconcile() {
  if (!GateOpen()) return Wake(100ms);
  if (view_.model() == nullptr) {
    expected_.clear();
    problem_.reset();
    scraper_.Forget();
    last_.reset();
    return;
  }
  plan::Observed seen = view_.Observe();
  seen.settings = settings_;
  seen.now = std::chrono::floor<std::chrono::seconds>(queue_.now() + clock_ahead);
  if (problem_ && problem_generation_ == seen.model.generation) seen.problem = problem_;
  const std::string stable = plan::UnseenStable(seen);
  const api::ReplicaSet* there = stable.empty() ? nullptr : api_.replica_sets.Find(stable);
  if (there != nullptr && there->meta.owner_uid == seen.model.uid && !there->meta.deleting)
    return Wake(500ms);
  scraper_.AddReports(seen);
  ++plans_;
  plan::Decision decision = plan::Plan(seen);
  scraper_.Want(seen, decision);
  last_ = decision;
  work_ = Work{std::move(seen), std::move(decision), 0};
  NextWrite(0);
}

// Number 0 is the status, then the actions.
void Operator::NextWrite(std::size_t number) {
  const auto& actions = work_->decision.actions;
  const bool is_status = number == 0;
  const bool nothing =
      is_status ? !work_->decision.status
                : number <= actions.size() && std::holds_alternative<plan::EmitEvent>(actions[number - 1]);
  if (number > actions.size()) return Finish();
  if (nothing) return NextWrite(number + 1);
  queue_.After(random_.Between(1ms, 15ms), InThisLife([this, number] {
                 const WriteFate fate = hooks_.fate();
                 if (fate == WriteFate::kCrashBefore) return Crash(random_.Between(500ms, 3s));
                 if (fate == WriteFate::kConflict) return GiveUp({Code::kConflict, {}});
                 if (fate == WriteFate::kUnavailable) return GiveUp({Code::kUnavailable, {}});
                 if (fate == WriteFate::kTimeoutLost) return GiveUp({Code::kTimeout, {}});
                 if (fate == WriteFate::kLate) {
                   queue_.After(random_.Between(1s, 20s),
                                [this, number, late = *work_] { static_cast<void>(Send(late, number)); });
                   return GiveUp({Code::kTimeout, {}});
                 }
                 const WriteResult result = Send(*work_, number);
                 if (fate == WriteFate::kCrashAfter) return Crash(random_.Between(500ms, 3s));
                 if (fate == WriteFate::kTimeoutApplied) return GiveUp({Code::kTimeout, {}});
                 if (!result) return GiveUp(result.error());
                 expected_.push_back({*result, queue_.now() + kGatePatience});
                 if (fate == WriteFate::kStaleAfter) view_.FreezeAll(kStaleFor);
                 NextWrite(number + 1);
               }));
}

WriteResult Operator::Send(const Work& work, std::size_t number) {
  const bool is_status = number == 0;
  const plan::Action* action = is_status ? nullptr : &work.decision.actions[number - 1];
  const Write write{.seen = work.seen,
                    .decision = work.decision,
                    .status = is_status ? &*work.decision.status : nullptr,
                    .action = action};
  return hooks_.watch_write(write, [&] {
    return is_status ? api_.WriteStatus(work.seen.model, *work.decision.status)
                     : api_.Perform(work.seen.model, *action);
  });
}

void Operator::Finish() {
  if (!work_->decision.orders.empty()) {
    hooks_.watch_orders(work_->seen, work_->decision.orders);
    scraper_.Tell(work_->decision.orders);
  }
  const auto again = work_->decision.again_after;
  const bool over = work_->seen.problem.has_value();
  work_.reset();
  failures_ = 0;
  if (over) problem_.reset();
  if (std::exchange(dirty_, false) || over) return Wake(1ms);
  if (again) Wake(*again);
}

void Operator::GiveUp(const WriteError& error) {
  const std::int64_t generation = work_->seen.model.generation;
  work_.reset();
  const bool again = std::exchange(dirty_, false);
  if (!error.problem && (error.code == Code::kConflict || error.code == Code::kNotFound)) {
    return Wake(again ? 1ms : 100ms);
  }
  if (error.problem) {
    const bool news =
        !problem_ || problem_generation_ != generation || problem_->message != error.problem->message;
    problem_ = error.problem;
    problem_generation_ = generation;
    if (news) return Wake(1ms);
  }
  Wake(std::min<Millis>(5ms * (std::int64_t{1} << std::min<std::int64_t>(failures_++, 12)), 30s));
}

bool Operator::AtRest() const {
  return !running_ || (!work_ && !timer_at_ && expected_.empty());
}

}  // namespace pilotlight::sim
