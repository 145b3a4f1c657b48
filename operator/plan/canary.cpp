// A canary: the candidate gets a growing share of the requests from the stable pods, is judged at each step
// by what they counted, and becomes the stable revision or is taken back. The stable revision keeps all of
// its pods until then.
#include <algorithm>
#include <cmath>
#include <format>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/analysis/judge.h"
#include "operator/analysis/threshold.h"
#include "operator/plan/counts.h"
#include "operator/plan/names.h"
#include "operator/plan/planner.h"
#include "operator/plan/steps.h"

namespace pilotlight::plan {

using api::Phase;

namespace {

// A judgement's numbers are noted in status this often, and more and more seldom the longer a step lasts.
constexpr std::chrono::seconds kNoteEvery{10};
constexpr std::int64_t kNotesPerStep = 20;
// More than there can be steps: pods that come and go change the weight, too.
constexpr std::size_t kMostSegments = 40;
// Longer than two questions to a sidecar are apart (operator/control/scraper.h), and one that is not answered
// lasts.
constexpr std::chrono::seconds kConfirmAfter{8};
// How often to look, should nothing be counted.
constexpr std::chrono::seconds kLookEvery{5};

const char* ToText(analysis::Outcome outcome) {
  switch (outcome) {
    case analysis::Outcome::kPass:
      return "Pass";
    case analysis::Outcome::kFail:
      return "Fail";
    case analysis::Outcome::kInconclusive:
      return "Inconclusive";
  }
  return "";
}

}  // namespace

// Whether the candidate goes by steps: there must be somebody to compare it with.
bool Planner::GoesBySteps() const {
  return model_.spec.rollout.strategy == "Canary" && !stable_.empty() && stable_ != target_;
}

const api::Canary& Planner::Rules() const {
  static const api::Canary kDefaults;
  const auto& canary = model_.spec.rollout.canary;
  return canary ? *canary : kDefaults;
}

// Whether the stable revision makes room for the candidate.
bool Planner::IsProportional() const {
  return Rules().stable_capacity == "Proportional";
}

// An operator that has just been started has heard of nobody; after that, be it that a pod cannot be reached.
bool Planner::HasHeardOfBothSides() const {
  const auto heard = [&](const api::Pod* pod) {
    return !pod->ready || !pod->running || fleet_.ReportOf(*pod) != nullptr;
  };
  return std::ranges::all_of(fleet_.Pods(target_), heard) && std::ranges::all_of(fleet_.Pods(stable_), heard);
}

// The candidate's pods for which stable ones have made room: they take their place, though they are in no
// Service.
std::int64_t Planner::CountHandedTo() const {
  const api::ReplicaSet* rs = fleet_.Find(next_.candidate_revision);
  const bool splits = rs != nullptr && rs->traffic == kTrafficSplit && !stable_.empty();
  return splits && IsProportional() ? std::ssize(Peers(*rs)) : 0;
}

// What the sidecars call the present step's counters.
std::string Planner::SegmentLabel(std::int64_t weight) const {
  const api::CanaryStatus& canary = *next_.rollout.canary;
  return std::format("{}/{}.{}/{}", next_.rollout.attempt, canary.step, canary.round, weight);
}

// The proof is in the status; one write binds every later pod to its bytes and lets the stable pods hand them
// requests.
void Planner::BeginCanary(const api::ReplicaSet& rs) {
  Enter(Phase::kCanary);
  Await({"StartingCanary", target_ + " is proven and will get requests from the stable pods", false});
  KeepCanary();
  const std::int64_t size = PodsFor(wanted_, steps_.front().weight);
  api::ReplicaSet begun = rs;
  begun.traffic = kTrafficSplit;
  begun.digest = Record(target_).digest;
  // Two that were on trial both stay, as in Promote(); and so do those that get requests already, should
  // somebody have changed the label by hand. What comes back has no more pods than there is room for.
  const bool stay = rs.digest.empty() || Record(target_).split_until;
  const std::int64_t fits = std::min(size, std::max(Room(), std::int64_t{1}));
  Change(rs, stay ? rs.replicas : std::min(rs.replicas, fits), begun.traffic, begun.digest);
  Admit(begun);
}

// During a canary there are never fewer pods than when it began: what a step was judged on shall hold in the
// next one.
void Planner::KeepCanary() {
  auto& canary = next_.rollout.canary;
  if (!canary) canary = api::CanaryStatus{.since = seen_.now, .progressed = seen_.now};
  canary->replicas = std::max(canary->replicas, model_.spec.replicas);
  wanted_ = canary->replicas;
  bounds_ = {.replicas = wanted_, .surge = wanted_, .unavailable = 0};
  if (IsProportional())
    // At least what is worth one percent.
    bounds_.surge = std::clamp(BoundsOf(model_.spec.rollout, wanted_).surge, (wanted_ + 99) / 100, wanted_);
  steps_ = StepsOf(model_.spec.rollout, wanted_);
}

void Planner::Canary(const api::ReplicaSet& rs) {
  KeepCanary();
  api::CanaryStatus& canary = *next_.rollout.canary;
  canary.steps = std::ssize(steps_);
  const bool held = model_.spec.rollout.paused;
  if (!held) {
    if (canary.step == 0) NextStep();
    canary.promoting = canary.promoting || canary.step > canary.steps || !GoesBySteps() ||
                       model_.spec.rollout.promote == target_;
  }
  // Held before it began: as it was proven. Held, and then its step was taken out of the spec: as it is.
  const bool begun = canary.step > 0 || canary.promoting;
  const api::ReplicaSet& stable = *fleet_.Find(stable_);
  const std::int64_t peers = std::ssize(Peers(rs));
  std::int64_t weight = canary.promoting ? 100 : Step() != nullptr ? Step()->weight : canary.desired;
  // Those that have made room cannot take back more than they can answer, be it that the steps are others
  // now.
  if (IsProportional())
    weight =
        std::max(weight, std::min(WeightFor(wanted_, peers), WeightFor(wanted_, wanted_ - stable.replicas)));
  const std::int64_t size = begun ? PodsFor(wanted_, weight) : rs.replicas;

  // Before anything else is done: what is taken back gets nothing more.
  NoteSight(rs);
  const analysis::Verdict verdict = canary.promoting ? analysis::Verdict() : WeighCanary(rs);
  const bool fails = verdict.outcome == analysis::Outcome::kFail;
  if (!fails) canary.failing_since.reset();
  if (fails && IsConfirmed()) return Abort({verdict.reason, canary.message});

  // The candidate never shrinks: requests are handed to each of its pods, and which of them would go is not
  // ours to choose.
  CanarySizes sizes{.stable = wanted_, .candidate = std::max(rs.replicas, size)};
  if (IsProportional()) {
    const std::int64_t relieved = std::min({canary.desired, canary.applied, LeastInForce(rs)});
    sizes = {.stable = stable.replicas, .candidate = rs.replicas};
    if (HasHeardOfBothSides()) sizes = Share(bounds_, sizes, size, relieved);
    if (sizes.stable < stable.replicas) sizes.stable = ScaledDown(SideOf(stable), sizes.stable);
    stable_is_full_ = std::min(stable.replicas, sizes.stable) >= wanted_;
  }
  Keep(stable, sizes.stable);
  if (rs.replicas != sizes.candidate) Change(rs, sizes.candidate, rs.traffic, rs.digest);
  Admit(rs);
  ReplaceHopeless(rs);

  if (peers > next_.rollout.updated) {
    next_.rollout.updated = peers;
    canary.progressed = next_.rollout.progressed = seen_.now;
  }
  // Traffic moves to capacity that is there; and where there is no room for all of it yet, as far as it goes.
  const std::int64_t possible =
      sizes.candidate >= size ? weight : std::min(weight, WeightFor(wanted_, sizes.candidate));
  const bool obeyed =
      HandOver(rs, peers >= sizes.candidate ? possible : std::min(canary.desired, WeightFor(wanted_, peers)));
  AgainAt(seen_.now + kLookEvery);

  const bool in_force = obeyed && peers >= size && canary.applied == weight;
  if (in_force && !canary.step_since) {
    canary.step_since = seen_.now;
    canary.progressed = seen_.now;
  }
  if (held) {
    Enter(Phase::kPaused);
    return Await({"Paused", "spec.rollout.paused is true", false});
  }
  if (canary.promoting) return FinishCanary(rs, in_force);
  if (!in_force) return AwaitStep(rs);
  if (verdict.outcome != analysis::Outcome::kPass) return Dwell({verdict.reason, canary.message, false});
  if (Step()->until_promoted) {
    Enter(Phase::kPaused);
    return Await({"UntilPromoted",
                  std::format("step {} has passed ({}); set spec.rollout.promote to {} to go on", canary.step,
                              canary.message, target_),
                  false});
  }
  NextStep();
  Dwell({"NextStep", "the step before has passed: " + canary.message, false});
}

// The present one; none before the first and after the last.
const api::CanaryStep* Planner::Step() const {
  const auto& canary = next_.rollout.canary;
  const bool in_one = canary && !canary->promoting && canary->step >= 1 && canary->step <= std::ssize(steps_);
  return in_one ? &steps_[canary->step - 1] : nullptr;
}

std::int64_t Planner::MirrorNow() const {
  const api::CanaryStep* step = Step();
  return step == nullptr ? 0 : step->mirror;
}

// A pod that the operator cannot reach, its callers may not have reached either: that is the world's doing.
// What was counted in this step is then of no use, and is counted anew.
void Planner::NoteSight(const api::ReplicaSet& rs) {
  api::CanaryStatus& canary = *next_.rollout.canary;
  const bool lost = std::ranges::any_of(fleet_.Pods(rs.meta.name), [&](const api::Pod* pod) {
    const api::Report* report = fleet_.ReportOf(*pod);
    return pod->running && report != nullptr && !report->error.empty();
  });
  if (lost && !canary.lost_sight) {
    ++canary.round;
    canary.step_since.reset();
    canary.progressed = seen_.now;
    canary.failing_since.reset();
    std::erase_if(canary.segments, [&](const api::SegmentStatus& past) { return past.step == canary.step; });
  }
  canary.lost_sight = lost;
}

// Requests that nobody answered may be those of a pod that is out of reach, which the operator learns no
// sooner than it asks it again. An answer with an error is the candidate's own.
bool Planner::IsConfirmed() {
  api::CanaryStatus& canary = *next_.rollout.canary;
  if (hop_failures_ == 0) return true;
  if (!canary.failing_since) canary.failing_since = seen_.now;
  const api::Time sure = *canary.failing_since + kConfirmAfter;
  if (seen_.now >= sure) return true;
  AgainAt(sure);
  return false;
}

// What got into the Service by steps is handed every request by the stable pods until the Service is its own.
// True while they may hand it any, be it that they are not known to have stopped: then no pod goes, neither
// one that may be handed some, nor one that may have to answer all that it hands over.
bool Planner::GoOnHandingOver(const api::ReplicaSet& rs) {
  if (!next_.rollout.canary || stable_.empty()) return MayBeSplit();
  KeepCanary();
  HandOver(rs, WeightFor(wanted_, std::ssize(Peers(rs))));
  return true;
}

// Has `rs` handed so much, in percent; or, while it is not known to which of its pods and by whom, what it is
// handed already. True if every stable pod does so; status says what they do at least.
bool Planner::HandOver(const api::ReplicaSet& rs, std::int64_t weight) {
  api::CanaryStatus& canary = *next_.rollout.canary;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) Probe(*pod);
  for (const api::Pod* pod : Fronts()) Probe(*pod);
  const bool known = HasHeardOfBothSides();
  if (known) canary.desired = weight;
  const bool obeyed = known && Steer(rs, weight);
  canary.applied = obeyed ? weight : std::min(canary.applied, LeastInForce(rs));
  return obeyed;
}

void Planner::NextStep() {
  api::CanaryStatus& canary = *next_.rollout.canary;
  ++canary.step;
  canary.round = 1;
  canary.step_since.reset();
  canary.progressed = seen_.now;
  canary.observed.clear();
  if (next_threshold_ms_ > 0) canary.threshold_ms = next_threshold_ms_;
}

// When the present step will have taken too long.
std::optional<api::Time> Planner::StepDeadline() const {
  const auto& canary = next_.rollout.canary;
  if (!canary || !canary->progressed) return std::nullopt;
  const bool counts = canary->step_since && Step() != nullptr;
  const auto pause = counts ? Step()->pause : std::chrono::seconds(0);
  return *canary->progressed + pause + model_.spec.rollout.progress_deadline;
}

// Goes on waiting in this step; beyond its deadline the rollout pauses, until it is certain or somebody
// decides.
void Planner::Dwell(const Trouble& trouble) {
  const auto deadline = StepDeadline();
  Enter(deadline && seen_.now >= *deadline ? Phase::kPaused : Phase::kCanary);
  Await(trouble);
}

void Planner::AwaitStep(const api::ReplicaSet& rs) {
  Trouble trouble = WhatAilsStep(rs);
  if (!IsForWantOfRoom(trouble)) return Dwell(trouble);
  trouble.reason = "InsufficientCapacity";
  Enter(Phase::kPaused);
  Await(trouble);
}

// The one thing to tell of pods that cannot be handed requests yet, or else of sidecars that have not heard
// of the weight.
Trouble Planner::WhatAilsStep(const api::ReplicaSet& rs) const {
  if (const auto refused = WhatAils(rs); refused && rs.current_replicas < rs.replicas) return *refused;
  const auto peers = Peers(rs);
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    if (std::ranges::contains(peers, pod)) continue;
    const api::Report* report = fleet_.ReportOf(*pod);
    if (pod->ready && report != nullptr && report->error.empty()) {
      const bool deaf = report->hop_certificate.empty();
      if (deaf || !report->order_error.empty())
        return {"SidecarRefuses",
                "pod " + pod->meta.name + ": " +
                    (deaf ? "its sidecar takes no requests from others" : report->order_error),
                true};
      return {"WaitingForPods", "pod " + pod->meta.name + " is being let in"};
    }
    return WhatAils(*pod, report, seen_.settings, seen_.now);
  }
  if (std::ssize(peers) < rs.replicas)
    return {"WaitingForPods", "Kubernetes is making the pods of " + rs.meta.name};
  for (const api::Pod* pod : Fronts()) {
    const api::Report* report = fleet_.ReportOf(*pod);
    if (report == nullptr) continue;
    if (!report->error.empty())
      return {"SidecarUnreachable",
              "pod " + pod->meta.name + " cannot be told of the weight: " + report->error +
                  "; does a NetworkPolicy keep the operator from its port 8081?",
              true};
    if (!report->order_error.empty())
      return {"SidecarRefuses", "pod " + pod->meta.name + ": " + report->order_error, true};
  }
  if (Fronts().empty()) return WhyNobodyHandsOver();
  return {"WaitingForWeight", "the stable pods are being told of the weight"};
}

// No stable pod serves: with what is wrong, if anything is.
Trouble Planner::WhyNobodyHandsOver() const {
  constexpr char kReason[] = "WaitingForWeight";
  const std::string said = "no pod of " + stable_ + " serves, which could hand requests over";
  if (fleet_.Find(stable_) == nullptr) return {kReason, said};
  const Trouble trouble = WhatKeepsOut(stable_);
  const std::string& before = model_.status.rollout.message;
  if (trouble.message == before) return {kReason, before.starts_with(said) ? before : said};
  return {kReason, trouble.wrong ? said + ": " + trouble.message : said};
}

// All of the candidate's pods are there and get every request from the stable ones: so it takes the Service
// over without a restart of anything.
void Planner::FinishCanary(const api::ReplicaSet& rs, bool in_force) {
  Enter(Phase::kPromoting);
  if (!in_force) {
    Await(WhatAilsStep(rs));
    if (auto why = Undo()) return Abort(std::move(*why));
    return;
  }
  Await({"Promoting", target_ + " gets every request, and enters the Service", false});
  Change(rs, rs.replicas, kTrafficService, rs.digest);
}

// By what the present step is judged.
analysis::Settings Planner::Criteria(const analysis::Segment& counted) const {
  const api::Analysis& rules = Rules().analysis;
  analysis::Settings settings{
      .alpha = rules.false_abort_probability, .rho = rules.max_ratio, .min_requests = rules.min_requests};
  const api::CanaryStep* step = Step();
  if (step != nullptr) settings.min_duration = step->pause;
  settings.metrics.clear();
  if (step == nullptr || step->weight > 0)
    settings.metrics = {{analysis::Metric::kErrors, rules.max_error_rate},
                        {analysis::Metric::kLatency, rules.max_slow_rate}};
  if (MirrorNow() > 0)
    settings.metrics.push_back({analysis::Metric::kDisagreement, rules.max_disagreement_rate});
  // What has passed the proof fails by no chance: only where there are any, they take their part of alpha.
  if (counted.streams.contains(analysis::Metric::kProbes))
    settings.metrics.push_back({analysis::Metric::kProbes, rules.max_error_rate});
  return settings;
}

// What the candidate's pods have found of themselves where nobody asked them anything.
void Planner::AddProbes(const api::ReplicaSet& rs, const std::map<std::string, std::string>& names,
                        analysis::Segment& segment) const {
  std::vector<const api::Report*> reports;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) {
    const api::Report* report = fleet_.ReportOf(*pod);
    if (report != nullptr && report->error.empty()) reports.push_back(report);
  }
  if (analysis::Stream probes = ProbesOf(reports, names); !probes.candidate.empty())
    segment.streams[analysis::Metric::kProbes] = std::move(probes);
}

// What the stable pods counted, and what follows from it. The numbers go into status now and then, and when
// something follows.
analysis::Verdict Planner::WeighCanary(const api::ReplicaSet& rs) {
  api::CanaryStatus& canary = *next_.rollout.canary;
  std::map<std::string, std::string> names;
  for (const api::Pod* pod : fleet_.Pods(rs.meta.name)) names[pod->meta.uid] = pod->meta.name;
  std::vector<const api::Report*> reports;
  analysis::Observed observed;
  for (const api::Pod* pod : Fronts()) {
    const api::Report* report = fleet_.ReportOf(*pod);
    if (report != nullptr && report->error.empty()) {
      reports.push_back(report);
    } else {
      observed.unavailable = "the counters of pod " + pod->meta.name + " cannot be read" +
                             (report == nullptr ? "" : ": " + report->error);
    }
  }
  const bool sticky = !Rules().session_header.empty();
  Counts counts = CountsOf(reports, SegmentLabel(canary.desired), static_cast<double>(canary.desired) / 100,
                           names, sticky);
  AddProbes(rs, names, counts.segment);
  NoteThreshold(counts);
  hop_failures_ = counts.hop_failures;

  for (const api::SegmentStatus& past : canary.segments) {
    if (past.step < canary.step) observed.segments.push_back(FromStatus(past));
  }
  if (!counts.segment.streams.empty()) observed.segments.push_back(counts.segment);
  observed.candidate = counts.candidate;
  std::int64_t restarts = 0;
  for (const api::Pod* pod : StartedSince(*canary.since)) {
    restarts += pod->restarts;
    if (pod->restarts > 0 && pod->last_exit_reason == "OOMKilled") ++observed.out_of_memory;
  }
  if (restarts > kMostRestarts) observed.restarts = restarts;
  observed.first_step = canary.step <= 1;
  observed.last_without_threshold = canary.threshold_ms == 0 && canary.step < std::ssize(steps_) &&
                                    steps_[static_cast<std::size_t>(canary.step)].weight == 100;
  if (canary.step_since) observed.elapsed = seen_.now - *canary.step_since;

  const analysis::Verdict verdict = analysis::Judge(Criteria(counts.segment), observed);
  NoteVerdict(verdict, counts);
  return verdict;
}

// From when on a request is slow: what the user says, or what stable's requests in the step before took. It
// is kept for a step; the first one takes it from its own.
void Planner::NoteThreshold(const Counts& counts) {
  api::CanaryStatus& canary = *next_.rollout.canary;
  if (const auto told = Rules().analysis.latency_threshold) {
    canary.threshold_ms = next_threshold_ms_ = told->count();
    return;
  }
  const auto seconds = analysis::SlowThreshold(counts.stable_latency);
  if (seconds) next_threshold_ms_ = std::max<std::int64_t>(1, std::llround(*seconds * 1000));
  if (canary.threshold_ms == 0) canary.threshold_ms = next_threshold_ms_;
}

void Planner::NoteVerdict(const analysis::Verdict& verdict, const Counts& counts) {
  api::CanaryStatus& canary = *next_.rollout.canary;
  const auto age = canary.step_since ? seen_.now - *canary.step_since : std::chrono::seconds(0);
  const auto every = std::max(kNoteEvery, age / kNotesPerStep);
  const bool same = canary.verdict == ToText(verdict.outcome) && canary.reason == verdict.reason;
  api::SegmentStatus now = ToStatus(counts.segment);
  now.step = canary.step;
  // Golden requests never end: where they are all that there is, nothing is written at rest.
  const bool news = canary.segments.empty() || !DifferInProbesOnly(canary.segments.back(), now);
  if (same && canary.judged && (!news || seen_.now < *canary.judged + every)) return;
  canary.verdict = ToText(verdict.outcome);
  canary.reason = verdict.reason;
  canary.message = verdict.message;
  if (const std::string mirrored = InWords(counts.mirrored); !mirrored.empty())
    canary.message += "; " + mirrored;
  if (counts.segment.streams.empty()) return;
  if (!canary.segments.empty() && canary.segments.back() == now) return;
  canary.judged = seen_.now;
  std::erase_if(canary.segments, [&](const api::SegmentStatus& past) {
    return past.step == canary.step && past.weight == now.weight;
  });
  const std::int64_t all = now.candidate + now.stable;
  canary.observed =
      all == 0 ? std::string()
               : std::format("{:.1f}", 100.0 * static_cast<double>(now.candidate) / static_cast<double>(all));
  if (canary.segments.size() == kMostSegments) canary.segments.erase(canary.segments.begin());
  canary.segments.push_back(std::move(now));
}

}  // namespace pilotlight::plan
