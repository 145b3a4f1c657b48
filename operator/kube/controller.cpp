#include "operator/kube/controller.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <format>
#include <random>
#include <thread>
#include <vector>

#include "common/time/clock.h"
#include "operator/kube/metrics.h"
#include "operator/kube/work_queue.h"
#include "operator/kube/write_gate.h"

namespace pilotlight::kube {
namespace {

// Usually the awaited event puts the key back long before.
constexpr std::chrono::milliseconds kGateRetry{100};

std::string NewReconcileId() {
  static thread_local std::mt19937_64 random{std::random_device()()};
  return std::format("{:016x}", random());
}

const std::vector<double>& Buckets() {
  static const std::vector<double> kBuckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3,  0.35,
                                            0.4,   0.45, 0.5,   0.6,  0.7, 0.8,  0.9, 1.0,  1.25, 1.5,
                                            1.75,  2.0,  2.5,   3.0,  3.5, 4.0,  4.5, 5,    6,    7,
                                            8,     9,    10,    15,   20,  25,   30,  40,   50,   60};
  return kBuckets;
}

}  // namespace

struct Controller::Instruments {
  Instruments(const std::string& name, Metrics& metrics) : metrics_(metrics), labels{{"controller", name}} {}

  prometheus::Counter& Total(const char* result) {
    auto with = labels;
    with["result"] = result;
    return metrics_.Counter("controller_runtime_reconcile_total", "Reconciles, by result", with);
  }

  Metrics& metrics_;
  const Metrics::Labels labels;
  prometheus::Counter& success = Total("success");
  prometheus::Counter& error = Total("error");
  prometheus::Counter& requeue_after = Total("requeue_after");
  prometheus::Counter& errors =
      metrics_.Counter("controller_runtime_reconcile_errors_total", "Reconciles that failed", labels);
  prometheus::Counter& terminal = metrics_.Counter("controller_runtime_terminal_reconcile_errors_total",
                                                   "Reconciles that failed for good", labels);
  prometheus::Counter& panics = metrics_.Counter("controller_runtime_reconcile_panics_total",
                                                 "Reconciles that ended in an exception", labels);
  prometheus::Counter& skips = metrics_.Counter(
      "stale_sync_skips_total", "Reconciles put off until the stores had seen our own writes", labels);
  prometheus::Gauge& active =
      metrics_.Gauge("controller_runtime_active_workers", "Workers that are reconciling", labels);
  prometheus::Gauge& workers =
      metrics_.Gauge("controller_runtime_max_concurrent_reconciles", "Workers that there are", labels);
  prometheus::Histogram& seconds =
      metrics_.Histogram("controller_runtime_reconcile_time_seconds", "How long a reconcile took, in seconds",
                         labels, Buckets());
};

Controller::Controller(ControllerOptions options, Clock& clock, Metrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      queue_(std::make_unique<WorkQueue>(options_.name, clock, metrics)),
      instruments_(std::make_unique<Instruments>(options_.name, metrics)) {
  instruments_->workers.Set(options_.workers);
}

Controller::~Controller() = default;

void Controller::Run(const std::stop_token& stop) {
  log::Info("Started controller", {{"controller", options_.name}, {"workers", options_.workers}});
  std::vector<std::jthread> workers;
  for (int i = 0; i < options_.workers; ++i) workers.emplace_back([this, &stop] { Work(stop); });
  workers.clear();  // waits for all
  log::Info("Stopped controller", {{"controller", options_.name}});
}

void Controller::Work(const std::stop_token& stop) {
  while (const auto item = queue_->Get(stop)) {
    if (options_.gate != nullptr && !options_.gate->Open(item->key)) {
      instruments_->skips.Increment();
      queue_->AddAfter(item->key, kGateRetry, item->priority);
    } else {
      ReconcileOne(item->key, item->priority, stop);
    }
    queue_->Done(item->key);
  }
}

ReconcileResult Controller::Call(const ReconcileContext& context) {
  try {
    return options_.reconcile(context);
  } catch (const std::exception& e) {
    instruments_->panics.Increment();
    return ReconcileResult::Failed(std::string("exception: ") + e.what());
  } catch (...) {
    instruments_->panics.Increment();
    return ReconcileResult::Failed("exception of an unknown type");
  }
}

void Controller::ReconcileOne(const Key& key, int priority, const std::stop_token& stop) {
  const std::string id = NewReconcileId();
  const ReconcileContext context{
      key, stop,
      log::Logger().With(
          {{"controller", options_.name}, {"namespace", key.ns}, {"name", key.name}, {"reconcileID", id}})};
  const auto start = clock_.Monotonic();
  instruments_->active.Increment();
  const ReconcileResult result = Call(context);
  instruments_->active.Decrement();
  instruments_->seconds.Observe(std::chrono::duration<double>(clock_.Monotonic() - start).count());

  switch (result.kind) {
    case ReconcileResult::Kind::Done:
      queue_->Forget(key);
      instruments_->success.Increment();
      return;
    case ReconcileResult::Kind::RequeueAfter:
      queue_->Forget(key);
      queue_->AddAfter(key, result.after, priority);
      instruments_->requeue_after.Increment();
      return;
    case ReconcileResult::Kind::Terminal:
      queue_->Forget(key);
      instruments_->terminal.Increment();
      break;
    case ReconcileResult::Kind::Error:
      if (stop.stop_requested()) return;  // cut short by us: no failure to report
      queue_->AddRateLimited(key, priority, result.after);
      break;
  }
  instruments_->error.Increment();
  instruments_->errors.Increment();
  context.log.Error("Failed to reconcile",
                    {{"error", result.error}, {"terminal", result.kind == ReconcileResult::Kind::Terminal}});
}

}  // namespace pilotlight::kube
