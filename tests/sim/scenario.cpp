#include "tests/sim/scenario.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "tests/sim/versions.h"

namespace pilotlight::sim {
namespace {

constexpr std::array<Millis, kPauses> kPauseTable = {Millis(0),     Millis(30),    Millis(150),
                                                     Millis(700),   Millis(2000),  Millis(5000),
                                                     Millis(12000), Millis(40000), Millis(700'000)};

std::optional<std::uint64_t> Number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Step> ParseStep(std::string_view text) {
  const auto open = text.find('(');
  const auto close = text.find(")+");
  if (open == std::string_view::npos || close == std::string_view::npos || !text.ends_with("ms"))
    return std::nullopt;
  const auto info = std::ranges::find(AllDos(), text.substr(0, open), &DoInfo::name);
  const auto argument = Number(text.substr(open + 1, close - open - 1));
  const auto pause = Number(text.substr(close + 2, text.size() - close - 4));
  if (info == AllDos().end() || !argument || !pause) return std::nullopt;
  const auto found = std::ranges::find(kPauseTable, Millis(*pause));
  if (found == kPauseTable.end()) return std::nullopt;
  return Step{info->what, static_cast<int>(*argument), static_cast<int>(found - kPauseTable.begin())};
}

}  // namespace

const std::vector<DoInfo>& AllDos() {
  static const std::vector<DoInfo> kAll = {
      {Do::kEdit, "Edit", kVersions - 1, 40},
      {Do::kScale, "Scale", 4, 14},
      {Do::kRetry, "Retry", 0, 4},
      {Do::kMinReady, "MinReady", 6, 4},
      {Do::kDeadline, "Deadline", 1, 3},
      {Do::kStrategy, "Strategy", 6, 10},
      {Do::kPause, "Pause", 0, 6},
      {Do::kResume, "Resume", 0, 6},
      {Do::kCanary, "Canary", 7, 12},
      {Do::kRolling, "Rolling", 0, 2},
      {Do::kPromote, "Promote", kVersions, 6},
      {Do::kAbort, "Abort", kVersions, 6},
      {Do::kTakeAbortBack, "TakeAbortBack", 0, 3},
      {Do::kHistory, "History", 2, 2},
      {Do::kInvalid, "Invalid", 0, 2},
      {Do::kValid, "Valid", 0, 3},
      {Do::kDeleteModel, "DeleteModel", 0, 1},
      {Do::kCreateModel, "CreateModel", 0, 2},
      {Do::kDeletePod, "DeletePod", 7, 5},
      {Do::kDeleteReplicaSet, "DeleteReplicaSet", 3, 2},
      {Do::kDeleteConfigMap, "DeleteConfigMap", 3, 2},
      {Do::kDeleteService, "DeleteService", 0, 2},
      {Do::kDeleteBudget, "DeleteBudget", 0, 1},
      {Do::kTamperPod, "TamperPod", 7, 3},
      {Do::kTamperReplicaSet, "TamperReplicaSet", 3, 2},
      {Do::kTamperService, "TamperService", 0, 2},
      {Do::kLoseStatus, "LoseStatus", 0, 2},
      {Do::kCrashPod, "CrashPod", 7, 6},
      {Do::kCrashEngine, "CrashEngine", 7, 6},
      {Do::kEndPod, "EndPod", 7, 3},
      {Do::kDrift, "Drift", 7, 2},
      {Do::kLoseNode, "LoseNode", 2, 4},
      {Do::kForgetNode, "ForgetNode", 2, 2},
      {Do::kReturnNode, "ReturnNode", 2, 4},
      {Do::kDrainNode, "DrainNode", 2, 4},
      {Do::kUncordon, "Uncordon", 2, 4},
      {Do::kBreakNode, "BreakNode", 2, 3},
      {Do::kRoom, "Room", 6, 4},
      {Do::kQuota, "Quota", 8, 4},
      {Do::kImages, "Images", 0, 3},
      {Do::kUnfetchable, "Unfetchable", kVersions - 1, 4},
      {Do::kCrashing, "Crashing", kVersions - 1, 4},
      {Do::kOtherBytes, "OtherBytes", kVersions - 1, 3},
      {Do::kFailing, "Failing", kVersions - 1, 4},
      {Do::kSlow, "Slow", kVersions - 1, 2},
      {Do::kRequests, "Requests", 2, 4},
      {Do::kFreezeProxies, "FreezeProxies", 10, 3},
      {Do::kSlowSlices, "SlowSlices", 4, 3},
      {Do::kSlowKubelets, "SlowKubelets", 4, 4},
      {Do::kStaleLists, "StaleLists", 4, 4},
      {Do::kSlowWatches, "SlowWatches", 6, 6},
      {Do::kHeal, "Heal", 0, 6},
      {Do::kCrashOperator, "CrashOperator", 4, 10},
      {Do::kFreezeWatch, "FreezeWatch", 41, 10},
      {Do::kLoseEvent, "LoseEvent", 6, 5},
      {Do::kRelist, "Relist", 0, 3},
      {Do::kFailingWrites, "FailingWrites", 4, 6},
      {Do::kFailingOrders, "FailingOrders", 6, 6},
      {Do::kClock, "Clock", 4, 3},
      {Do::kSecondOperator, "SecondOperator", 0, 3},
      {Do::kOneOperator, "OneOperator", 0, 3},
      {Do::kWait, "Wait", 0, 8},
  };
  return kAll;
}

const DoInfo& InfoOf(Do what) {
  return *std::ranges::find(AllDos(), what, &DoInfo::what);
}

Millis PauseOf(int number) {
  return kPauseTable[static_cast<std::size_t>(std::clamp(number, 0, kPauses - 1))];
}

Goal GoalOf(const Scenario& scenario) {
  Goal goal{.replicas = scenario.replicas};
  for (const Step& step : scenario.steps) {
    if (step.what == Do::kEdit && step.argument != kBadVersion) goal.version = step.argument;
    if (step.what == Do::kScale) goal.replicas = step.argument;
    if (step.what == Do::kValid) goal.replicas = 2;
    if (step.what == Do::kCanary) goal.canary = true;
    if (step.what == Do::kRolling) goal.canary = false;
  }
  // With none, all that is left is what there was before, which is another thing each time.
  goal.replicas = std::max(goal.replicas, 1);
  return goal;
}

std::string Print(const Scenario& scenario) {
  std::ostringstream out;
  out << scenario.seed << " replicas=" << scenario.replicas;
  for (const Step& step : scenario.steps) {
    out << ' ' << InfoOf(step.what).name << '(' << step.argument << ")+" << PauseOf(step.pause).count()
        << "ms";
  }
  return out.str();
}

std::optional<Scenario> ParseScenario(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string seed, replicas, word;
  if (!(words >> seed >> replicas) || !replicas.starts_with("replicas=")) return std::nullopt;
  const auto seed_number = Number(seed);
  const auto replicas_number = Number(std::string_view(replicas).substr(9));
  if (!seed_number || !replicas_number) return std::nullopt;
  Scenario scenario{.seed = *seed_number, .replicas = static_cast<int>(*replicas_number)};
  while (words >> word) {
    const auto step = ParseStep(word);
    if (!step) return std::nullopt;
    scenario.steps.push_back(*step);
  }
  return scenario;
}

}  // namespace pilotlight::sim
