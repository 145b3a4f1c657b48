#include "sidecar/front/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "sidecar/front/version.h"

namespace pilotlight::front {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

namespace {

// Seconds, from tens of microseconds to half a minute.
const Histogram::BucketBoundaries kSeconds{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                           0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                           0.5,     1,      2.5,     5,      10,    30};

Family<Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Family<Gauge>& gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

Family<Histogram>& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

double microseconds(std::chrono::duration<double> took) {
  return took.count() * 1e6;
}

// A counter of what somebody else has counted.
void bring_to(Counter& counter, std::uint64_t total) {
  const double more = static_cast<double>(total) - counter.Value();
  if (more > 0) counter.Increment(more);
}

const char* failure_reason(Outcome outcome) {
  switch (outcome) {
    case Outcome::kExpired:
    case Outcome::kDeadly:
      return "REJECTED";
    case Outcome::kModelError:
    case Outcome::kOutputTooLarge:
    case Outcome::kOutOfMemory:
    case Outcome::kContractBroken:
    case Outcome::kNonFinite:
    case Outcome::kEngineLost:
      return "BACKEND";
    case Outcome::kOk:
      break;
  }
  return "OTHER";
}

}  // namespace

struct Metrics::Impl {
  explicit Impl(const Identity& identity)
      : triton{{"model", identity.name}, {"version", identity.revision}},
        requests(counters(registry, "pilotlight_requests_total", "Requests answered on the data port.")),
        seconds(histograms(registry, "pilotlight_request_duration_seconds",
                           "From a request's first byte to its answer.")),
        open(gauges(registry, "pilotlight_open_connections", "Connections to the data port.").Add({})),
        waiting(gauges(registry, "pilotlight_queue_depth", "Inferences that wait for the engine.").Add({})),
        in_flight(
            gauges(registry, "pilotlight_inferences_in_flight", "Inferences that the engine has.").Add({})),
        compute(histograms(registry, "pilotlight_compute_duration_seconds",
                           "The model's own time for an inference.")
                    .Add({}, kSeconds)),
        non_finite_inputs(counters(registry, "pilotlight_nonfinite_inputs_total",
                                   "Inferences with NaN or infinity among their inputs.")
                              .Add({})),
        non_finite_outputs(counters(registry, "pilotlight_nonfinite_outputs_total",
                                    "Inferences with NaN or infinity among their outputs.")
                               .Add({})),
        restarts(counters(registry, "pilotlight_engine_restarts_total",
                          "Engines that ended and were started again.")
                     .Add({})),
        rechecks(counters(registry, "pilotlight_golden_rechecks_total",
                          "Golden re-checks while serving, and single cases that failed only once.")),
        rechecked_at(gauges(registry, "pilotlight_golden_recheck_timestamp_seconds",
                            "When the last golden re-check ended.")),
        recheck_failing(gauges(registry, "pilotlight_golden_recheck_failing",
                               "1 if the engine that serves failed its last golden re-check.")
                            .Add({})),
        ready(gauges(registry, "pilotlight_ready", "1 if the pod is ready.").Add({})),
        split_weight(gauges(registry, "pilotlight_split_weight",
                            "Percent of the requests that fall to the candidate, as in force.")),
        split_epoch(
            gauges(registry, "pilotlight_split_epoch", "The epoch of the split that was applied last.")),
        split_peers(
            gauges(registry, "pilotlight_split_peers", "Pods of the candidate, and how many are up.")),
        split_requests(
            counters(registry, "pilotlight_split_requests_total",
                     "Requests of the split, by the side that they fell to and what came of them.")),
        unsplit(counters(registry, "pilotlight_unsplit_requests_total",
                         "Requests that counted for neither side, by the reason.")),
        mirror(counters(registry, "pilotlight_mirror_requests_total",
                        "Requests answered here that a candidate was to answer, too, by what came of it.")),
        mirror_received(counters(registry, "pilotlight_mirror_received_total",
                                 "Requests that another pod has mirrored to this one, by the answer.")),
        phases(
            gauges(registry, "pilotlight_phase_duration_seconds", "How long each part of the start took.")),
        info(gauges(registry, "pilotlight_model_info", "Always 1; what is served is in the labels.")),
        identity_(identity),
        success(counters(registry, "nv_inference_request_success", "Inference requests that succeeded.")
                    .Add(triton)),
        failures(counters(registry, "nv_inference_request_failure", "Inference requests that failed.")),
        instances(counters(registry, "nv_inference_count", "Instances inferred; a batch of n counts n.")
                      .Add(triton)),
        executions(counters(registry, "nv_inference_exec_count", "Executions of the model.").Add(triton)),
        duration(counters(registry, "nv_inference_request_duration_us", "Time of the requests, in all.")
                     .Add(triton)),
        queued(
            counters(registry, "nv_inference_queue_duration_us", "Time that requests waited.").Add(triton)),
        computed(counters(registry, "nv_inference_compute_infer_duration_us", "Time that the model took.")
                     .Add(triton)),
        pending(gauges(registry, "nv_inference_pending_request_count", "Requests that wait.").Add(triton)) {
    gauges(registry, "pilotlight_build_info", "Always 1; the version is in the label.")
        .Add({{"version", kVersion}})
        .Set(1);
  }

  prometheus::Registry registry;
  Labels triton;
  Family<Counter>& requests;
  Family<Histogram>& seconds;
  Gauge& open;
  Gauge& waiting;
  Gauge& in_flight;
  Histogram& compute;
  Counter& non_finite_inputs;
  Counter& non_finite_outputs;
  Counter& restarts;
  Family<Counter>& rechecks;
  Family<Gauge>& rechecked_at;
  Gauge& recheck_failing;
  Gauge& ready;
  Family<Gauge>& split_weight;
  Family<Gauge>& split_epoch;
  Family<Gauge>& split_peers;
  Family<Counter>& split_requests;
  Family<Counter>& unsplit;
  Family<Counter>& mirror;
  Family<Counter>& mirror_received;
  Family<Gauge>& phases;
  Family<Gauge>& info;
  Identity identity_;
  Counter& success;
  Family<Counter>& failures;
  Counter& instances;
  Counter& executions;
  Counter& duration;
  Counter& queued;
  Counter& computed;
  Gauge& pending;

  // Looked up once: finding a metric by its labels costs more than counting.
  std::map<std::pair<Route, unsigned>, Counter*> by_code;
  std::map<Route, Histogram*> by_route;
  std::string digest;
};

Metrics::Metrics(const Identity& identity) : impl_(std::make_unique<Impl>(identity)) {}
Metrics::~Metrics() = default;

void Metrics::answered(Route route, unsigned code, std::chrono::duration<double> took) {
  auto*& counter = impl_->by_code[{route, code}];
  if (counter == nullptr) {
    counter =
        &impl_->requests.Add({{"route", std::string(route_name(route))}, {"code", std::to_string(code)}});
  }
  counter->Increment();
  auto*& histogram = impl_->by_route[route];
  if (histogram == nullptr)
    histogram = &impl_->seconds.Add({{"route", std::string(route_name(route))}}, kSeconds);
  histogram->Observe(took.count());
}

void Metrics::mirrored(unsigned code) {
  impl_->mirror_received.Add({{"code", std::to_string(code)}}).Increment();
}

void Metrics::inferred(const Answer& answer, std::int64_t batch, std::chrono::duration<double> took) {
  impl_->queued.Increment(microseconds(answer.queued));
  impl_->duration.Increment(microseconds(took));
  if (answer.outcome != Outcome::kOk) {
    auto labels = impl_->triton;
    labels["reason"] = failure_reason(answer.outcome);
    impl_->failures.Add(labels).Increment();
    return;
  }
  impl_->success.Increment();
  impl_->instances.Increment(static_cast<double>(batch));
  impl_->executions.Increment();
  impl_->computed.Increment(microseconds(answer.compute));
  impl_->compute.Observe(std::chrono::duration<double>(answer.compute).count());
}

void Metrics::non_finite_inputs() {
  impl_->non_finite_inputs.Increment();
}

void Metrics::non_finite_outputs() {
  impl_->non_finite_outputs.Increment();
}

void Metrics::rejected() {
  auto labels = impl_->triton;
  labels["reason"] = "REJECTED";
  impl_->failures.Add(labels).Increment();
}

void Metrics::rechecked(const RecheckReport& report) {
  impl_->rechecks.Add({{"result", report.failure ? "failed" : "passed"}}).Increment();
  impl_->rechecked_at.Add({}).Set(std::chrono::duration<double>(report.at.time_since_epoch()).count());
}

void Metrics::recheck_unconfirmed() {
  impl_->rechecks.Add({{"result", "unconfirmed"}}).Increment();
}

void Metrics::set_state(const Status& status) {
  impl_->recheck_failing.Set(status.recheck && status.recheck->failure ? 1 : 0);
  impl_->ready.Set(status.ready() ? 1 : 0);
  bring_to(impl_->restarts, status.engine_restarts);
  const auto set = [&](const char* phase, double seconds) {
    if (seconds >= 0) impl_->phases.Add({{"phase", phase}}).Set(seconds);
  };
  set("fetch", status.timings.fetch);
  set("check", status.timings.check);
  set("load", status.timings.load);
  set("warm", status.timings.warm);
  set("total", status.timings.total);
  if (status.digest.empty() || status.digest == impl_->digest) return;
  impl_->digest = status.digest;
  impl_->info
      .Add({{"model", impl_->identity_.name},
            {"revision", impl_->identity_.revision},
            {"digest", status.digest}})
      .Set(1);
}

void Metrics::set_split(const Split& split) {
  if (split.epoch() == 0) return;
  impl_->split_weight.Add({}).Set(split.weight());
  impl_->split_epoch.Add({}).Set(static_cast<double>(split.epoch()));
  impl_->split_peers.Add({{"state", "known"}}).Set(static_cast<double>(split.peers()));
  impl_->split_peers.Add({{"state", "up"}}).Set(static_cast<double>(split.usable_peers()));
  for (const auto arm : {Arm::kStable, Arm::kCandidate}) {
    for (std::size_t i = 0; i < kVerdicts; ++i) {
      const auto verdict = static_cast<Verdict>(i);
      auto& counter = impl_->split_requests.Add({{"arm", arm == Arm::kStable ? "stable" : "candidate"},
                                                 {"result", std::string(verdict_name(verdict))}});
      bring_to(counter, split.tally().total(arm, verdict));
    }
  }
  for (std::size_t i = 0; i < kUnsplits; ++i) {
    const auto why = static_cast<Unsplit>(i);
    bring_to(impl_->unsplit.Add({{"reason", std::string(unsplit_name(why))}}), split.tally().total(why));
  }
  for (std::size_t i = 0; i < kShadows; ++i) {
    const auto result = static_cast<Shadow>(i);
    bring_to(impl_->mirror.Add({{"result", std::string(shadow_name(result))}}), split.tally().total(result));
  }
}

void Metrics::set_load(std::size_t open_requests, std::size_t waiting, std::size_t in_flight) {
  impl_->open.Set(static_cast<double>(open_requests));
  impl_->waiting.Set(static_cast<double>(waiting));
  impl_->pending.Set(static_cast<double>(waiting));
  impl_->in_flight.Set(static_cast<double>(in_flight));
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace pilotlight::front
