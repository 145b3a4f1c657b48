// What each step of a scenario does to the world.
#include <algorithm>
#include <chrono>
#include <utility>

#include "operator/plan/names.h"
#include "operator/plan/revision.h"
#include "tests/sim/versions.h"
#include "tests/sim/world.h"

namespace pilotlight::sim {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

template <typename T>
std::shared_ptr<const T> Pick(const Collection<T>& in, int number) {
  if (in.all().empty()) return nullptr;
  auto found = in.all().begin();
  std::advance(found, static_cast<std::size_t>(number) % in.all().size());
  return found->second;
}

json Strategy(int number) {
  switch (number) {
    case 0:
      return {{"maxSurge", "25%"}, {"maxUnavailable", 0}};
    case 1:
      return {{"maxSurge", 1}, {"maxUnavailable", 0}};
    case 2:
      return {{"maxSurge", 0}, {"maxUnavailable", 1}};
    case 3:
      return {{"maxSurge", 2}, {"maxUnavailable", 1}};
    case 4:
      return {{"maxSurge", "100%"}, {"maxUnavailable", 0}};
    case 5:
      return {{"maxSurge", 0}, {"maxUnavailable", "30%"}};
    default:
      return {{"maxSurge", "50%"}, {"maxUnavailable", "50%"}};
  }
}

json Canary(int number) {
  const auto step = [](int weight, const char* pause) { return json{{"weight", weight}, {"pause", pause}}; };
  switch (number) {
    case 0:
      return {{"steps", {step(25, "1s"), step(100, "1s")}}};
    case 1:
      return {{"steps", {step(10, "2s"), step(50, "2s")}}};
    case 2:
      return {{"steps", {step(50, "UntilPromoted")}}};
    case 3:
      return {{"steps", nullptr}};  // by the number of pods, two minutes each
    case 4:
      return {{"steps", {step(34, "1s"), step(67, "1s"), step(100, "1s")}}};
    case 5:
      return {{"steps", {step(50, "20s"), step(75, "UntilPromoted")}}};
    case 6:
      return {{"steps", {step(25, "1s"), step(50, "1s"), step(100, "1s")}},
              {"stableCapacity", "Proportional"}};
    default:
      return {{"steps", {step(50, "UntilPromoted")}}, {"stableCapacity", "Proportional"}};
  }
}

}  // namespace

std::shared_ptr<const api::Pod> World::PickPod(int number) const {
  return Pick(api_.pods, number);
}

void World::Edit(const json& spec) {
  api_.ChangeModel(spec);
}

void World::Take(const Step& step) {
  traffic_.Count();
  TakeUsers(step);
  TakeHands(step);
  TakeWorld(step);
  TakeOperators(step);
}

void World::TakeUsers(const Step& step) {
  const int argument = step.argument;
  switch (step.what) {
    case Do::kEdit:
      return Edit(SpecOf(argument));
    case Do::kScale:
      return Edit({{"replicas", argument}});
    case Do::kRetry:
      return Edit({{"rollout", {{"retry", "token-" + std::to_string(++retries_)}}}});
    case Do::kMinReady:
      return Edit({{"rollout", {{"minReadySeconds", argument}}}});
    case Do::kDeadline:
      return Edit({{"rollout", {{"progressDeadline", argument == 0 ? "10m" : "20s"}}}});
    case Do::kStrategy:
      return Edit({{"rollout", {{"rollingUpdate", Strategy(argument)}}}});
    case Do::kPause:
      return Edit({{"rollout", {{"paused", true}}}});
    case Do::kResume:
      return Edit({{"rollout", {{"paused", false}}}});
    case Do::kCanary:
      return Edit({{"rollout", {{"strategy", "Canary"}, {"canary", Canary(argument)}}}});
    case Do::kRolling:
      return Edit({{"rollout", {{"strategy", "RollingUpdate"}, {"canary", nullptr}}}});
    case Do::kPromote:
    case Do::kAbort: {
      // What is asked for now, or some revision, whatever becomes of it.
      if (api_.model() == nullptr) return;
      const std::string named =
          argument == kVersions ? plan::RevisionName(*api_.model()) : RevisionOf(argument);
      return Edit({{"rollout", {{step.what == Do::kAbort ? "abort" : "promote", named}}}});
    }
    case Do::kTakeAbortBack:
      return Edit({{"rollout", {{"abort", ""}}}});
    case Do::kHistory:
      return Edit({{"rollout", {{"revisionHistoryLimit", argument}}}});
    case Do::kInvalid:
      return Edit({{"replicas", -1}});
    case Do::kValid:
      return Edit({{"replicas", 2}});
    case Do::kDeleteModel:
      ledger_.condemned.clear();
      return api_.DeleteModel();
    case Do::kCreateModel:
      if (api_.model() == nullptr) api_.CreateModel(SpecOf(0));
      return;
    default:
      return;
  }
}

void World::TakeHands(const Step& step) {
  const int argument = step.argument;
  switch (step.what) {
    case Do::kDeletePod:
      if (const auto pod = PickPod(argument); pod != nullptr && !pod->meta.deleting) {
        ledger_.hurt.insert(pod->meta.uid);
        api::Pod next = *pod;
        next.meta.deleting = true;
        api_.Put(api_.pods, std::move(next));
      }
      return;
    case Do::kDeleteReplicaSet:
      if (const auto rs = Pick(api_.replica_sets, argument)) {
        for (const auto& [name, pod] : api_.pods.all()) {
          if (pod->meta.owner_uid == rs->meta.uid) ledger_.hurt.insert(pod->meta.uid);
        }
        api_.Remove(api_.replica_sets, rs->meta.name);
      }
      return;
    case Do::kDeleteConfigMap:
      if (const auto config = Pick(api_.config_maps, argument))
        api_.Remove(api_.config_maps, config->meta.name);
      return;
    case Do::kDeleteService:
      ledger_.service_tampered = true;
      return api_.Remove(api_.services, ApiServer::kName);
    case Do::kDeleteBudget:
      return api_.Remove(api_.budgets, ApiServer::kName);
    case Do::kTamperPod:
      if (const auto pod = PickPod(argument); pod != nullptr && !pod->meta.deleting) {
        ledger_.tampered.insert(pod->meta.uid);
        ledger_.hurt.insert(pod->meta.uid);
        api::Pod next = *pod;
        next.traffic = pod->traffic == plan::kTrafficNone ? plan::kTrafficService : plan::kTrafficNone;
        api_.Put(api_.pods, std::move(next));
      }
      return;
    case Do::kTamperReplicaSet:
      if (const auto rs = Pick(api_.replica_sets, argument)) {
        ledger_.tampered.insert(rs->meta.uid);
        ledger_.template_tampered = true;
        api::ReplicaSet next = *rs;
        next.traffic = rs->traffic == plan::kTrafficNone ? plan::kTrafficService : plan::kTrafficNone;
        api_.Put(api_.replica_sets, std::move(next));
      }
      return;
    case Do::kTamperService:
      if (api_.service() != nullptr) {
        ledger_.service_tampered = true;
        api::Service next = *api_.service();
        next.selector[plan::kTrafficLabel] = "nobody";
        api_.Put(api_.services, std::move(next));
      }
      return;
    case Do::kLoseStatus:
      ledger_.status_lost = true;
      ledger_.condemned.clear();
      return api_.LoseStatus();
    default:
      return;
  }
}

void World::TakeWorld(const Step& step) {
  const int argument = step.argument;
  const auto node = static_cast<std::size_t>(argument) % nodes_.all().size();
  switch (step.what) {
    case Do::kCrashPod:
      if (const auto pod = PickPod(argument))
        nodes_.Crash(pod->meta.uid, argument % 2 == 0 ? "Error" : "OOMKilled");
      return;
    case Do::kCrashEngine:
      if (const auto pod = PickPod(argument)) nodes_.CrashEngine(pod->meta.uid);
      return;
    case Do::kEndPod:
      if (const auto pod = PickPod(argument)) nodes_.End(pod->meta.uid);
      return;
    case Do::kDrift:
      if (const auto pod = PickPod(argument)) nodes_.FailRecheck(pod->meta.uid);
      return;
    case Do::kLoseNode:
      return nodes_.Lose(node);
    case Do::kForgetNode:
      return nodes_.Forget(node);
    case Do::kReturnNode:
      return nodes_.Return(node);
    case Do::kDrainNode:
      return nodes_.Drain(node);
    case Do::kUncordon:
      return nodes_.Uncordon(node);
    case Do::kBreakNode:
      nodes_.all()[node].broken = true;
      return;
    case Do::kRoom:
      for (Node& each : nodes_.all()) each.room = argument;
      return nodes_.NodesChanged();
    case Do::kQuota:
      weather_.quota = argument;
      return;
    case Do::kImages:
      weather_.images = !weather_.images;
      return;
    case Do::kUnfetchable:
      weather_.unfetchable.insert(argument);
      return;
    case Do::kCrashing:
      weather_.crashing.insert(argument);
      return;
    case Do::kOtherBytes:
      // Before the first proof it would be just another model.
      if (const auto* rs = api_.replica_sets.Find(RevisionOf(argument)); rs != nullptr && !rs->digest.empty())
        weather_.other_bytes[argument] = static_cast<char>('0' + argument);
      return;
    case Do::kFailing:
      weather_.failing.insert(argument);
      return;
    case Do::kSlow:
      weather_.slow.insert(argument);
      return;
    case Do::kRequests:
      weather_.requests = argument == 0 ? 0 : argument == 1 ? 20 : Weather().requests;
      for (const auto& [name, pod] : api_.pods.all()) traffic_.front_changed(pod->meta.uid);
      return;
    case Do::kFreezeProxies:
      return network_.Freeze(1s * argument);
    case Do::kSlowSlices:
      weather_.slices_lag = 200ms + 1s * argument;
      return;
    case Do::kSlowKubelets:
      weather_.kubelet_lag = 1s * argument;
      return;
    case Do::kStaleLists:
      weather_.stale_lists = 5 * argument;
      return;
    case Do::kSlowWatches:
      weather_.watch_lag = 20ms * (1 << (2 * std::min(argument, 4)));
      return;
    case Do::kHeal:
      return Heal();
    default:
      return;
  }
}

void World::TakeOperators(const Step& step) {
  const int argument = step.argument;
  switch (step.what) {
    case Do::kCrashOperator:
      return operators_[0]->Crash(100ms + 4s * argument);
    case Do::kFreezeWatch:
      return operators_[0]->view().Freeze(static_cast<ObjectKind>(argument % kKinds),
                                          1s + 2s * (argument / kKinds));
    case Do::kLoseEvent:
      return operators_[0]->view().LoseNext(static_cast<ObjectKind>(argument % kKinds), 15s);
    case Do::kRelist:
      return operators_[0]->view().Relist();
    case Do::kFailingWrites:
      weather_.failing_writes = 10 * argument;
      return;
    case Do::kFailingOrders:
      weather_.failing_orders = 10 * argument;
      return;
    case Do::kClock:
      operators_[0]->clock_ahead = 30s * (argument - 2);
      return;
    case Do::kSecondOperator:
      ledger_.two_writers = true;
      if (!operators_[1]->running()) operators_[1]->Start();
      return;
    case Do::kOneOperator:
      return operators_[1]->Stop();
    default:
      return;
  }
}

}  // namespace pilotlight::sim
