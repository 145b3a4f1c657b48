#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/api/status.h"

// What is to be done. Whoever carries it out writes the status first, then acts in order, stops at the first
// failure, and asks again with what is then observed.
//
// Thread-safety: plain values.
namespace pilotlight::plan {

enum class Kind : std::uint8_t { kConfigMap, kReplicaSet, kService, kDisruptionBudget, kPod };

struct Create {
  Kind kind;
  std::string name;
  nlohmann::json body;
};

// Sets all that ever changes in a ReplicaSet, if it still is what was observed: what was decided without the
// pin in sight would take it away.
struct ChangeReplicaSet {
  std::string name;
  std::string uid;
  std::int64_t replicas = 0;
  std::string traffic;
  std::string digest;  // empty: not pinned
  std::string resource_version;
};

// Brings a Service or a budget back to `body`.
struct Repair {
  Kind kind;
  std::string name;
  std::string uid;
  nlohmann::json body;
};

// Sets a pod's label and pin, if it still is what was observed: a restart of its container in between would
// make the proof somebody else's.
struct LabelPod {
  std::string name;
  std::string uid;
  std::string resource_version;
  std::string traffic;
  std::string digest;
};

// Ends an object, if it still is what was observed where that matters: a revision that was forgotten may have
// been asked for again when the deletion arrives.
struct Delete {
  Kind kind;
  std::string name;
  std::string uid;
  std::string resource_version;  // empty: in whatever version
};

struct EmitEvent {
  bool warning = false;
  std::string reason;
  std::string message;
};

using Action = std::variant<EmitEvent, Create, ChangeReplicaSet, Repair, LabelPod, Delete>;

// A call to a sidecar, to be signed (docs/sidecar.md, "Signed calls"). What came of it is in its next report:
// it is obeyed once, or not at all, for another one with the same epoch is refused.
struct Order {
  std::string pod_uid;
  std::string revision;
  std::string call;  // "PUT /split"
  std::int64_t epoch = 0;
  nlohmann::json body;
  friend bool operator==(const Order&, const Order&) = default;
};

struct Decision {
  // None: what is there is right.
  std::optional<api::Status> status;
  std::vector<Action> actions;
  // When to ask again although nothing may have happened. None: nothing is waited for.
  std::optional<std::chrono::seconds> again_after;
  // UIDs of the pods whose sidecars must be asked until the next decision.
  std::vector<std::string> probe;
  // UIDs of those to be asked now and then, for what only they can know: at rest, too.
  std::vector<std::string> watch;
  // To some of `probe`: sent after the actions, all at once.
  std::vector<Order> orders;
  std::chrono::seconds watch_every{0};
};

}  // namespace pilotlight::plan
