#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/random.h"

// A run in words: what users, the world and fate do, one step after the other.
//
// Thread-safety: plain values.
namespace pilotlight::sim {

enum class Do : std::uint8_t {
  // Users.
  kEdit,
  kScale,
  kRetry,
  kMinReady,
  kDeadline,
  kStrategy,
  kPause,
  kResume,
  kCanary,
  kRolling,
  kPromote,
  kAbort,
  kTakeAbortBack,
  kHistory,
  kInvalid,
  kValid,
  kDeleteModel,
  kCreateModel,
  // People with kubectl.
  kDeletePod,
  kDeleteReplicaSet,
  kDeleteConfigMap,
  kDeleteService,
  kDeleteBudget,
  kTamperPod,
  kTamperReplicaSet,
  kTamperService,
  kLoseStatus,
  // The world.
  kCrashPod,
  kCrashEngine,
  kEndPod,
  kDrift,
  kLoseNode,
  kForgetNode,
  kReturnNode,
  kDrainNode,
  kUncordon,
  kBreakNode,
  kRoom,
  kQuota,
  kImages,
  kUnfetchable,
  kCrashing,
  kOtherBytes,
  kFailing,
  kSlow,
  kRequests,
  kFreezeProxies,
  kSlowSlices,
  kSlowKubelets,
  kStaleLists,
  kSlowWatches,
  kHeal,
  // The operator's own lot.
  kCrashOperator,
  kFreezeWatch,
  kLoseEvent,
  kRelist,
  kFailingWrites,
  kFailingOrders,
  kClock,
  kSecondOperator,
  kOneOperator,
  kWait,
};

struct DoInfo {
  Do what;
  std::string_view name;
  int most;    // its argument goes from 0 to here
  int weight;  // how often it is chosen
};
const std::vector<DoInfo>& AllDos();
const DoInfo& InfoOf(Do what);

struct Step {
  Do what = Do::kWait;
  int argument = 0;
  int pause = 0;  // after it, by number: see PauseOf
};

inline constexpr int kPauses = 9;
Millis PauseOf(int number);

struct Scenario {
  std::uint64_t seed = 0;
  int replicas = 2;
  std::vector<Step> steps;
};

// What the user wants in the end, when all is well again: the last good version of those asked for, and the
// last number of replicas, by the last strategy.
struct Goal {
  int version = 0;
  int replicas = 0;
  bool canary = false;
};
Goal GoalOf(const Scenario& scenario);

// "7 replicas=2 Edit(1)+3s Scale(4)+0ms": Parse takes what Print gives.
std::string Print(const Scenario& scenario);
std::optional<Scenario> ParseScenario(std::string_view text);

}  // namespace pilotlight::sim
