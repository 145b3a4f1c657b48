#include "operator/control/reconciler.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/time/clock.h"
#include "operator/control/scraper.h"
#include "operator/kube/write_gate.h"

namespace pilotlight::control {
namespace {

using kube::ReconcileResult;

// Whoever was faster has been seen by then.
constexpr std::chrono::seconds kRefusalsLast{10};

PerformError NotSeenYet(const std::string& revision) {
  return {{.code = kube::ErrorCode::Conflict,
           .http_status = 0,
           .reason = "NotSeenYet",
           .message = "ReplicaSet " + revision + " is there, and its watch has not shown it",
           .retry_after = {}},
          std::nullopt};
}

std::vector<ScrapeTarget> Targets(const plan::Observed& seen, const plan::Decision& decision) {
  std::vector<ScrapeTarget> targets;
  for (const api::Pod& pod : seen.pods) {
    const bool probed = std::ranges::contains(decision.probe, pod.meta.uid);
    if (!probed && !std::ranges::contains(decision.watch, pod.meta.uid)) continue;
    const auto every = probed ? std::chrono::seconds(0) : decision.watch_every;
    targets.push_back({pod.meta.uid, pod.ip, pod.container_id, pod.meta.resource_version, every});
  }
  return targets;
}

}  // namespace

Reconciler::Reconciler(Stores stores, Performer& performer, Scraper& scraper, kube::WriteGate& gate,
                       plan::Settings settings, Clock& clock, Decide decide)
    : stores_(stores),
      performer_(performer),
      scraper_(scraper),
      gate_(gate),
      settings_(std::move(settings)),
      clock_(clock),
      decide_(std::move(decide)) {}

ReconcileResult Reconciler::Reconcile(const kube::ReconcileContext& context) {
  const auto model = stores_.models->Get(context.key);
  if (!model) {
    Forget(context.key);
    return ReconcileResult::Done();
  }
  plan::Observed seen = Observe(stores_, context.key, model->value);
  seen.settings = settings_;
  seen.now = std::chrono::floor<std::chrono::seconds>(clock_.Now());
  seen.problem = ProblemOf(context.key, seen.model.generation);
  for (const api::Pod& pod : seen.pods) {
    if (auto report = scraper_.ReportOf(pod.meta.uid)) seen.reports.emplace(pod.meta.uid, std::move(*report));
  }

  if (const std::string stable = plan::UnseenStable(seen); !stable.empty()) {
    const auto there = performer_.HasReplicaSet(seen.model, stable, context.stop);
    if (!there) return GiveUp(context.key, seen.model.generation, there.error());
    if (*there) return GiveUp(context.key, seen.model.generation, NotSeenYet(stable));
  }
  const plan::Decision decision = decide_(seen);

  scraper_.Want(context.key, Targets(seen, decision));
  if (decision.status) {
    if (const auto written = performer_.WriteStatus(seen.model, *decision.status, context.stop); !written) {
      return GiveUp(context.key, seen.model.generation, written.error());
    }
  }
  for (const plan::Action& action : decision.actions) {
    if (context.stop.stop_requested()) return ReconcileResult::Done();
    if (const auto done = performer_.Perform(seen.model, action, context.stop); !done) {
      return GiveUp(context.key, seen.model.generation, done.error());
    }
  }
  NoteWritten(context.key);
  scraper_.Tell(context.key, decision.orders);
  if (seen.problem) {
    // It is over: the status shall say so.
    const std::scoped_lock lock(mutex_);
    problems_.erase(context.key);
    return ReconcileResult::RequeueAfter(std::chrono::milliseconds(1));
  }
  if (decision.again_after) return ReconcileResult::RequeueAfter(*decision.again_after);
  return ReconcileResult::Done();
}

std::optional<plan::Problem> Reconciler::ProblemOf(const kube::Key& key, std::int64_t generation) {
  const std::scoped_lock lock(mutex_);
  const auto found = problems_.find(key);
  if (found == problems_.end() || found->second.generation != generation) return std::nullopt;
  return found->second.problem;
}

ReconcileResult Reconciler::GiveUp(const kube::Key& key, std::int64_t generation, const PerformError& error) {
  using std::chrono::milliseconds;
  const kube::Error& cause = error.cause;
  // Somebody was faster, or the object is gone: what is then observed decides. Unless that never is.
  if (!error.problem &&
      (cause.code == kube::ErrorCode::Conflict || cause.code == kube::ErrorCode::NotFound) &&
      !IsRefusedForLong(key)) {
    return ReconcileResult::RequeueAfter(milliseconds(100));
  }
  if (error.problem) {
    const std::scoped_lock lock(mutex_);
    const auto found = problems_.find(key);
    const bool news = found == problems_.end() || found->second.generation != generation ||
                      found->second.problem.message != error.problem->message;
    problems_.insert_or_assign(key, Remembered{generation, *error.problem});
    if (news)
      return ReconcileResult::RequeueAfter(milliseconds(1));  // once more at once, to say it in the status
  }
  return ReconcileResult::Failed(kube::Describe(cause), cause.retry_after.value_or(std::chrono::seconds(0)));
}

bool Reconciler::IsRefusedForLong(const kube::Key& key) {
  const std::scoped_lock lock(mutex_);
  const auto now = clock_.Monotonic();
  return now - refused_since_.try_emplace(key, now).first->second >= kRefusalsLast;
}

void Reconciler::NoteWritten(const kube::Key& key) {
  const std::scoped_lock lock(mutex_);
  refused_since_.erase(key);
}

void Reconciler::Forget(const kube::Key& key) {
  gate_.Forget(key);
  scraper_.Want(key, {});
  const std::scoped_lock lock(mutex_);
  problems_.erase(key);
  refused_since_.erase(key);
}

}  // namespace pilotlight::control
