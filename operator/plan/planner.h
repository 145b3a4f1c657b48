#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/analysis/judge.h"
#include "operator/analysis/verdict.h"
#include "operator/plan/counts.h"
#include "operator/plan/decision.h"
#include "operator/plan/fleet.h"
#include "operator/plan/observed.h"
#include "operator/plan/rolling.h"
#include "operator/plan/trouble.h"

// The workings of Plan(). Each file named below holds one part of it.
//
// Thread-safety: one thread, one call.
namespace pilotlight::plan {

class Planner {
 public:
  explicit Planner(const Observed& seen);
  Decision Run();

 private:
  // plan.cpp: which revision is which, and which of the states below it is.
  void Decide();
  void Invalid();
  void Steady();
  void Failed();
  void Stopped();
  void NoteAttempt();
  bool HasOldTrial() const;
  void ClearForRetry();
  std::string StableRevision() const;

  // proof.cpp: the candidate on trial.
  enum class Trial : std::uint8_t {
    kOpen,
    kProven,
    kDoubted,  // a pod has failed, and perhaps its node is to blame
    kFailed,   // all is decided, and said
  };
  void Prove(const api::ReplicaSet& rs);
  void Expel();
  Trial NoteProof(const api::ReplicaSet& rs);
  Trial Judge(const api::ReplicaSet& rs);
  void NoteBytes(const api::Pod& pod);

  // candidate.cpp: from the proof to being the stable revision.
  void Candidate();
  void Promote(const api::ReplicaSet& rs);
  void Grow(const api::ReplicaSet& rs);
  void Pause(const api::ReplicaSet* rs);
  void NoteServing();
  bool NobodyElseGetsTraffic() const;
  std::int64_t Room() const;

  // canary.cpp: the same by steps, with a share of the requests.
  bool GoesBySteps() const;
  const api::Canary& Rules() const;
  bool IsProportional() const;
  std::int64_t CountHandedTo() const;
  bool HasHeardOfBothSides() const;
  std::string SegmentLabel(std::int64_t weight) const;
  void BeginCanary(const api::ReplicaSet& rs);
  void KeepCanary();
  const api::CanaryStep* Step() const;
  void NoteSight(const api::ReplicaSet& rs);
  bool IsConfirmed();
  std::int64_t MirrorNow() const;
  void Canary(const api::ReplicaSet& rs);
  bool HandOver(const api::ReplicaSet& rs, std::int64_t weight);
  bool GoOnHandingOver(const api::ReplicaSet& rs);
  void NextStep();
  std::optional<api::Time> StepDeadline() const;
  void Dwell(const Trouble& trouble);
  void AwaitStep(const api::ReplicaSet& rs);
  Trouble WhatAilsStep(const api::ReplicaSet& rs) const;
  Trouble WhyNobodyHandsOver() const;
  void FinishCanary(const api::ReplicaSet& rs, bool in_force);
  analysis::Settings Criteria(const analysis::Segment& counted) const;
  void AddProbes(const api::ReplicaSet& rs, const std::map<std::string, std::string>& names,
                 analysis::Segment& segment) const;
  analysis::Verdict WeighCanary(const api::ReplicaSet& rs);
  void NoteThreshold(const Counts& counts);
  void NoteVerdict(const analysis::Verdict& verdict, const Counts& counts);

  // split.cpp: what the sidecars are told of it.
  std::vector<const api::Pod*> Fronts() const;
  std::vector<const api::Pod*> Peers(const api::ReplicaSet& rs) const;
  std::vector<const api::Pod*> Callees(const api::ReplicaSet& rs) const;
  nlohmann::json CalleeBody() const;
  std::int64_t LeastInForce(const api::ReplicaSet& rs) const;
  bool Tell(const api::Pod& pod, nlohmann::json body, std::optional<api::Time> until);
  nlohmann::json SplitBody(std::int64_t weight) const;
  bool Steer(const api::ReplicaSet& rs, std::int64_t weight);
  bool SplitIsOff(const api::ReplicaSet& rs);
  bool MayBeSplit();
  bool MayBeSplit(const api::RevisionStatus& record);
  bool KeepsItsRequests(const api::ReplicaSet& rs);

  // undo.cpp: candidates that are taken back, and revisions that the stable one replaces.
  void NoteAbort();
  void NotePromote();
  std::string NotTheCandidate() const;
  std::vector<const api::Pod*> StartedSince(api::Time moment) const;
  std::optional<api::Abort> Undo() const;
  void Abort(api::Abort why);
  void Aborted();
  const api::ReplicaSet* Leaver() const;
  bool MayLeave() const;
  bool IsStillNeeded(const api::ReplicaSet& rs) const;

  // members.cpp: pods towards their template, and what must leave.
  void KeepStable();
  std::int64_t StableSize(const api::ReplicaSet& rs) const;
  void Keep(const api::ReplicaSet& rs, std::int64_t replicas);
  Side SideOf(const api::ReplicaSet& rs, std::chrono::seconds at_least = {}) const;
  std::chrono::seconds Available() const;
  void AgainWhenAvailable(const std::string& revision);
  bool Admit(const api::ReplicaSet& rs);
  void ReplaceHopeless(const api::ReplicaSet& rs);
  void RetireOthers();
  void Retire(const api::ReplicaSet& rs);
  void Label(const api::Pod& pod, const std::string& traffic, const std::string& digest);
  void Probe(const api::Pod& pod);
  bool MayReplace();
  void Change(const api::ReplicaSet& rs, std::int64_t replicas, const std::string& traffic,
              const std::string& digest);

  // recheck.cpp: members that no longer give the golden answers.
  void Recheck(const api::ReplicaSet& rs);

  // children.cpp: Service, budget, old revisions.
  void KeepService();
  void KeepKeys();
  void KeepBudget();
  void CreateRevision();  // the target's ConfigMap and ReplicaSet, if there is none
  bool HasConfig(const std::string& revision) const;
  void KeepConfigs();
  void ForgetOldRevisions();

  // report.cpp: what status says.
  void Enter(api::Phase phase);
  void Await(const Trouble& trouble);
  Trouble WhatKeepsOut(const std::string& revision) const;
  void AwaitPods(const std::string& revision);
  api::RevisionStatus& Record(const std::string& revision);
  void KeepRecords();
  void FillStatus();
  void Announce();
  void AnnouncePhase();
  void AnnounceStep();

  std::optional<api::Time> Deadline() const;
  api::Time LastProgress() const;
  bool PodsLeftBut(const std::string& revision) const;
  void Again(std::chrono::seconds after);
  void AgainAt(api::Time when) { Again(when - seen_.now); }

  const Observed& seen_;
  const api::ModelDeployment& model_;
  const Fleet fleet_;
  std::string target_;  // what the spec asks for; empty: the spec is invalid
  std::string stable_;  // what owns the Service; empty: nothing yet
  std::int64_t wanted_;
  Bounds bounds_;
  std::vector<api::CanaryStep> steps_;  // of a canary
  bool stable_is_full_ = true;          // it could answer everything alone
  api::Status next_;
  std::int64_t next_threshold_ms_ = 0;  // of latency, by what was counted in the present step; 0: unknown
  std::int64_t hop_failures_ = 0;       // of the candidate in the present step
  bool again_ = false;                  // there is a new spec.rollout.retry, and its try has yet to begin
  Trouble trouble_;
  Decision decision_;
  std::vector<EmitEvent> events_;
};

// How often the containers of a candidate may end while it gets requests: one may be its node's fault.
inline constexpr std::int64_t kMostRestarts = 2;

// Without the operator the stable pods go on splitting for this long, and then serve alone. Renewed at half
// of it.
inline constexpr std::chrono::minutes kSplitLasts{5};

// conditions.cpp: the conditions of `next` from everything else in it. `trouble` is what is waited for;
// `serving` counts ready members of all revisions. Times of `before` are kept where nothing changed.
std::vector<api::Condition> Conditions(const api::ModelDeployment& model, const api::Status& next,
                                       const Trouble& trouble, const std::optional<Problem>& problem,
                                       std::int64_t serving, api::Time now);

// How many ready members make a ModelDeployment Ready: the budget allows the others to be missing.
std::int64_t Needed(const api::Spec& spec);

// Whether `phase` waits for something, and so has a deadline.
bool Waits(api::Phase phase);

}  // namespace pilotlight::plan
