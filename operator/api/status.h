#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The status of a ModelDeployment: what the operator last observed and what it is about to do. Also the only
// memory that the operator has: what it must know after a restart, and cannot observe elsewhere, is in here.
//
// Thread-safety: plain values.
namespace pilotlight::api {

using Time = std::chrono::sys_seconds;

enum class ConditionStatus : std::uint8_t { kTrue, kFalse, kUnknown };

struct Condition {
  std::string type;
  ConditionStatus status = ConditionStatus::kUnknown;
  std::string reason;
  std::string message;
  std::int64_t observed_generation = 0;
  Time last_transition;
  friend bool operator==(const Condition&, const Condition&) = default;
};

// Where the change from one revision to the next stands.
enum class Phase : std::uint8_t {
  kNone,       // nothing was asked for yet
  kInvalid,    // the spec cannot be acted on
  kProving,    // one pod of the candidate is on trial, outside the Service
  kCanary,     // the candidate is proven and gets a share of the requests from the stable pods
  kPromoting,  // the candidate is proven and grows in the Service; the stable one shrinks behind it
  kSettling,   // all of it is ready; waiting until every node knows
  kRetiring,   // the candidate has become stable; the old pods are leaving
  kReverting,  // the stable revision takes the place of one that is not asked for any more
  kPaused,     // spec.rollout.paused holds a rollout where it is
  kStopped,    // the spec asks for no pods
  kComplete,   // the stable revision is what the spec says, and all of it is ready
  kScaling,    // as kComplete, but waiting for pods that a new replica count asks for
  kDegraded,   // as kComplete, but pods were lost
  kFailed,     // the candidate failed its proof
  kAborted,    // the candidate was taken back, by the user or for its behaviour in service
};

// What was counted of one metric at one weight of a canary: of one of the candidate's pods, or of all stable
// ones.
struct MetricCounts {
  std::string metric;
  std::string pod;  // its name; empty: the stable ones
  std::int64_t requests = 0;
  std::int64_t bad = 0;
  // Of latency, for the candidate: over the greater margin.
  std::int64_t much_slower_requests = 0;
  std::int64_t much_slower = 0;
  friend bool operator==(const MetricCounts&, const MetricCounts&) = default;
};
struct SegmentStatus {
  std::int64_t step = 0;
  std::int64_t weight = 0;  // percent
  // All requests, or in sticky mode sessions, that fell to either side.
  std::int64_t candidate = 0;
  std::int64_t stable = 0;
  std::vector<MetricCounts> metrics;
  friend bool operator==(const SegmentStatus&, const SegmentStatus&) = default;
};

// Where a canary stands. Weights are percent.
struct CanaryStatus {
  std::int64_t step = 0;           // from 1 on; 0: none has begun
  std::int64_t steps = 0;          // how many there are
  std::int64_t replicas = 0;       // of the spec when it began, or more
  std::optional<Time> since;       // when it began
  bool promoting = false;          // there are no more steps
  std::int64_t desired = 0;        // weight
  std::int64_t applied = 0;        // what each stable pod has acknowledged
  std::string observed;            // what was counted, e.g. "5.2"; empty: nothing yet
  std::optional<Time> step_since;  // when the step's weight had been applied
  std::optional<Time> progressed;  // when the step, or what it needs, last came further; moves its deadline
  std::int64_t threshold_ms = 0;   // of latency; 0: none yet
  std::int64_t round = 1;          // of counting in this step: begins anew when pods were lost from sight
  bool lost_sight = false;         // some of the candidate's pods cannot be reached
  std::optional<Time> failing_since;
  std::string verdict;  // Pass,Fail or Inconclusive; empty: not judged yet
  std::string reason;
  std::string message;
  std::optional<Time> judged;           // when the numbers below were taken
  std::vector<SegmentStatus> segments;  // the last one is the present step's
  friend bool operator==(const CanaryStatus&, const CanaryStatus&) = default;
};

struct RolloutStatus {
  Phase phase = Phase::kNone;
  std::string revision;      // the one that the spec asks for, as of `attempt`
  std::string retry;         // the last spec.rollout.retry acted on
  std::int64_t attempt = 0;  // grows with a new revision and with a new retry token, with nothing else
  std::string reason;        // what is waited for, or went wrong
  std::string message;
  std::string ignored;             // what of spec.rollout has no effect now, and why
  std::optional<Time> since;       // when `phase` was entered
  std::optional<Time> deadline;    // when waiting becomes Stalled
  std::int64_t bytes_fetched = 0;  // by the pod on trial at `progressed`
  std::int64_t updated = 0;        // the most pods of the candidate that served at once in this phase
  std::optional<Time> progressed;  // when more of either was last noted; moves the deadline
  std::int64_t replaced_pods = 0;  // deleted because they failed a proof that their revision had passed
  std::optional<Time> last_replaced;
  std::optional<CanaryStatus> canary;
  friend bool operator==(const RolloutStatus&, const RolloutStatus&) = default;
};

struct Failure {
  std::string klass;  // Revision, Pod or World
  std::string reason;
  std::string phase;  // of the sidecar
  std::string message;
  std::string remedy;
  friend bool operator==(const Failure&, const Failure&) = default;
};

// Why a revision was taken back although it had not failed its proof.
struct Abort {
  std::string reason;
  std::string message;
  friend bool operator==(const Abort&, const Abort&) = default;
};

enum class RevisionPhase : std::uint8_t { kUnproven, kProven, kFailed };

struct RevisionStatus {
  std::string name;
  RevisionPhase phase = RevisionPhase::kUnproven;
  std::string digest;
  std::string level;
  std::string retry;  // the token under which it failed or was aborted
  std::optional<Failure> failure;
  std::optional<Abort> aborted;
  // Until when stable pods may hand requests to it; none: they do not.
  std::optional<Time> split_until;
  nlohmann::json proof;  // the sidecar's report, the fields of docs/sidecar.md; null: none yet
  friend bool operator==(const RevisionStatus&, const RevisionStatus&) = default;
};

// A pod that serves although it no longer gives the golden answers.
struct RecheckFailure {
  std::string pod;
  std::string node;
  std::string reason;
  std::string message;
  std::optional<Time> since;
  friend bool operator==(const RecheckFailure&, const RecheckFailure&) = default;
};

struct Status {
  std::int64_t observed_generation = 0;
  std::vector<Condition> conditions;
  std::string stable_revision;
  std::string candidate_revision;
  RolloutStatus rollout;
  std::int64_t replicas = 0;
  std::int64_t ready_replicas = 0;
  std::string selector;
  std::string url;
  std::string level;  // of the stable revision's proof
  std::vector<RevisionStatus> revisions;
  std::vector<RecheckFailure> recheck_failures;

  const Condition* Find(std::string_view type) const;
  const RevisionStatus* FindRevision(std::string_view name) const;
  friend bool operator==(const Status&, const Status&) = default;
};

// Whether what spec asks for will not come by itself.
bool IsOver(Phase phase);

std::string_view ToString(Phase phase);
std::string_view ToString(RevisionPhase phase);
std::string_view ToString(ConditionStatus status);

nlohmann::json ToJson(const Status& status);
// What can be understood of `json`; the rest as if it had not been there. Never fails: a status that somebody
// damaged is written anew.
Status StatusFromJson(const nlohmann::json& json);

}  // namespace pilotlight::api
