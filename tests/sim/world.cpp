#include "tests/sim/world.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <utility>

#include "operator/plan/names.h"
#include "operator/plan/revision.h"
#include "tests/sim/trace.h"
#include "tests/sim/versions.h"

namespace pilotlight::sim {
namespace {

using namespace std::chrono_literals;

plan::Settings SettingsOf() {
  plan::Settings settings;
  settings.sidecar_image = "sidecar:1";
  return settings;
}

}  // namespace

World::World(std::uint64_t seed, Coverage& coverage, Mischief mischief)
    : random_(seed),
      api_(queue_),
      nodes_(queue_, random_, api_, weather_, ledger_),
      network_(queue_, random_, api_, weather_),
      traffic_(queue_, api_, nodes_, network_, weather_, ledger_),
      controllers_(queue_, random_, api_, weather_, ledger_),
      judge_(api_, nodes_, network_, traffic_, ledger_),
      coverage_(coverage),
      mischief_(std::move(mischief)) {
  nodes_.is_routed = [this](const std::string& uid) { return network_.IsRouted(uid); };
  nodes_.started = [this](const std::string& uid, const std::string& container) {
    traffic_.Started(uid, container);
  };
  nodes_.sidecar_changed = traffic_.front_changed = [this](const std::string& uid) {
    for (const auto& each : operators_) each->scraper().SidecarChanged(uid);
  };
  for (int i = 0; i < 2; ++i) {
    const auto watched = [this, i](const Write& write, const std::function<WriteResult()>& apply) {
      Say([&] { return "operator " + std::to_string(i + 1) + ": " + Words(write); });
      const WriteResult result = judge_.CheckWrite(write, apply);
      if (!result) Say([&] { return "  " + Words(result); });
      return result;
    };
    const auto told = [this, i](const plan::Observed& seen, const std::vector<plan::Order>& orders) {
      for (const plan::Order& order : orders)
        Say([&] { return "operator " + std::to_string(i + 1) + ": " + Words(order); });
      judge_.CheckOrders(seen, orders);
    };
    operators_.push_back(
        std::make_unique<Operator>(queue_, random_, api_, nodes_, traffic_, weather_, SettingsOf(),
                                   Operator::Hooks{.fate = [this] { return NextFate(); },
                                                   .order_fate = [this] { return NextOrderFate(); },
                                                   .watch_write = watched,
                                                   .watch_orders = told}));
  }
  operators_.front()->view().is_lost = [this](std::size_t number) {
    return Ask(Place::kArrival, number).arrival_lost;
  };
  api_.OnChange([this](ObjectKind kind) {
    for (const auto& each : operators_) each->view().Published(kind);
    controllers_.Changed(kind);
    network_.Changed(kind);
    if (kind == ObjectKind::kPod) nodes_.PodsChanged();
    NoteChange(kind);
    coverage_.Note(api_);
    Say([&] { return "  " + LastChange(api_, kind); });
  });
  for (int version = 0; version < kVersions; ++version) ledger_.version_of[RevisionOf(version)] = version;
  coverage_.Begin();
}

void World::Say(const std::function<std::string()>& what) const {
  static const bool kAsked = std::getenv("PILOTLIGHT_SIM_TRACE") != nullptr;
  if (!kAsked) return;
  const auto since = (queue_.now() - Moment(std::chrono::seconds(1'795'000'000))).count();
  std::cout << since / 1000 << '.' << std::setw(3) << std::setfill('0') << since % 1000 << ' ' << what()
            << '\n';
}

Mishap World::Ask(Place place, std::size_t number) const {
  return mischief_ ? mischief_(place, number) : Mishap();
}

WriteFate World::NextFate() {
  if (const auto fate = Ask(Place::kWrite, ++writes_).write; fate != WriteFate::kDone) {
    Say([] { return std::string("the next write is disturbed"); });
    return fate;
  }
  if (!random_.Chance(weather_.failing_writes)) return WriteFate::kDone;
  constexpr std::array kFates = {WriteFate::kConflict, WriteFate::kUnavailable, WriteFate::kTimeoutLost,
                                 WriteFate::kTimeoutApplied, WriteFate::kLate};
  return kFates[static_cast<std::size_t>(random_.Below(kFates.size()))];
}

OrderFate World::NextOrderFate() {
  if (const auto fate = Ask(Place::kOrder, ++orders_).order; fate != OrderFate::kDone) {
    Say([] { return std::string("the next order is disturbed"); });
    return fate;
  }
  if (!random_.Chance(weather_.failing_orders)) return OrderFate::kDone;
  constexpr std::array kFates = {OrderFate::kLost, OrderFate::kLate, OrderFate::kNoAnswer,
                                 OrderFate::kRefused};
  return kFates[static_cast<std::size_t>(random_.Below(kFates.size()))];
}

void World::NoteChange(ObjectKind kind) {
  if (kind == ObjectKind::kModel && api_.model() != nullptr) {
    api::Status status = api_.model()->status;
    status.rollout.message.clear();
    for (auto& condition : status.conditions) condition.message.clear();
    for (auto& record : status.revisions) record.split_until.reset();
    if (auto& canary = status.rollout.canary) {
      canary->judged.reset();
      canary->segments.clear();
      canary->observed.clear();
      canary->message.clear();
    }
    if (status == last_status_) return;
    last_status_ = std::move(status);
  }
  last_change_ = queue_.now();
}

bool World::IsHeld() const {
  constexpr Millis kLong = 7min;  // longer than any pause but deadlines, which do not run then
  const auto* model = api_.model();
  if (model == nullptr || !model->status.rollout.canary || model->status.stable_revision.empty() ||
      model->status.rollout.phase != api::Phase::kPaused)
    return false;
  const auto* candidate = api_.replica_sets.Find(model->status.rollout.revision);
  return candidate != nullptr && candidate->traffic != plan::kTrafficNone &&
         queue_.now() - last_change_ > kLong;
}

void World::RunUntil(Moment end) {
  while (queue_.RunNext(end)) judge_.CheckWorld();
}

void World::Run(const Scenario& scenario) {
  operators_.front()->Start();
  nlohmann::json spec = SpecOf(0);
  spec["replicas"] = scenario.replicas;
  api_.CreateModel(spec);
  Moment when = queue_.now();
  for (const Step& step : scenario.steps) {
    Say([&] {
      return "* " + std::string(InfoOf(step.what).name) + '(' + std::to_string(step.argument) + ')';
    });
    Take(step);
    judge_.CheckWorld();
    when = queue_.now() + PauseOf(step.pause);
    queue_.After(PauseOf(step.pause), [] {});  // so that the clock gets there
    RunUntil(when);
  }
  Say([] { return std::string("* all is well again"); });
  Heal();
  RunToRest();
  rest_ = Describe();
  Say([] { return std::string("* the last wish"); });
  Settle(scenario);
  RunToRest();
}

void World::Heal() {
  traffic_.Count();
  // Bytes that a revision has been bound to meanwhile stay where they are.
  auto kept = std::move(weather_.other_bytes);
  std::erase_if(kept, [&](const auto& other) {
    const auto* rs = api_.replica_sets.Find(RevisionOf(other.first));
    return rs == nullptr || rs->digest != Digest(other.second);
  });
  weather_.Heal();
  weather_.other_bytes = std::move(kept);
  nodes_.Heal();
  for (const auto& [name, pod] : api_.pods.all()) traffic_.front_changed(pod->meta.uid);
  for (const auto& each : operators_) each->clock_ahead = 0ms;
  operators_[1]->Stop();
}

// The last thing the user wants is something good, and a new try of it.
void World::Settle(const Scenario& scenario) {
  traffic_.Count();
  const Goal goal = GoalOf(scenario);
  nlohmann::json spec = SpecOf(goal.version);
  spec["replicas"] = goal.replicas;
  spec["rollout"] = {{"minReadySeconds", 0},
                     {"progressDeadline", "10m"},
                     {"retry", "last"},
                     {"paused", false},
                     {"abort", ""},
                     {"revisionHistoryLimit", nullptr},
                     {"rollingUpdate", nullptr},
                     {"promote", ""},
                     {"strategy", "RollingUpdate"},
                     {"canary", nullptr}};
  if (goal.canary) {
    spec["rollout"]["strategy"] = "Canary";
    spec["rollout"]["canary"] = {
        {"steps", {{{"weight", 50}, {"pause", "1s"}}, {{"weight", 100}, {"pause", "1s"}}}}};
  }
  if (api_.model() == nullptr) {
    api_.CreateModel(spec);
  } else {
    Edit(spec);
  }
}

void World::RunToRest() {
  last_change_ = queue_.now();
  const Moment end = queue_.now() + 6h;
  while (!IsHeld() && queue_.RunNext(end)) judge_.CheckWorld();
  if (!queue_.empty() && !IsHeld()) throw Violation("it never comes to rest");
  RequireRest();
}

void World::RequireRest() {
  // By now the operator has set right what was done by hand.
  if (api_.model() != nullptr && api_.model()->errors.empty()) ledger_.tampered.clear();
  judge_.CheckWorld();
  if (const auto* model = api_.model();
      model != nullptr && model->errors.empty() && model->spec.replicas == 0) {
    for (const auto& [name, pod] : api_.pods.all()) {
      if (pod->phase != "Failed") throw Violation("at rest, with no replicas, there is " + name);
    }
  }
  judge_.CheckRest(IsHeld());
  if (IsHeld()) return;
  for (const auto& each : operators_) {
    if (!each->AtRest()) throw Violation("an operator is still at work, and nothing will ever wake it");
    if (!each->running() || !each->last()) continue;
    const plan::Decision& last = *each->last();
    if (last.status || !last.actions.empty()) throw Violation("at rest, an operator still wants to write");
    if (last.again_after) throw Violation("at rest, an operator still waits for something");
    // A pause may end a trial: who is on it is asked all the same.
    const auto* model = api_.model();
    const bool on_trial = model != nullptr && model->status.rollout.phase == api::Phase::kPaused;
    // So are pods that failed, where as many have been replaced as may be: they may pass after all.
    const bool worn_out = model != nullptr && model->status.rollout.replaced_pods >= 8;
    if (!last.probe.empty() && !on_trial && !worn_out)
      throw Violation("at rest, an operator still asks pods");
  }
}

std::size_t World::plans() const {
  std::size_t plans = 0;
  for (const auto& each : operators_) plans += each->plans();
  return plans;
}

// Past faults leave no trace but revisions that are kept for going back: those must be at rest, too.
std::string World::Describe() const {
  std::ostringstream out;
  const api::ModelDeployment* model = api_.model();
  if (model == nullptr) return "no model";
  const api::Status& status = model->status;
  const std::string target = plan::RevisionName(*model);
  out << "spec " << model->spec.model.uri << " x" << model->spec.replicas << '\n';
  out << "phase " << api::ToString(status.rollout.phase) << ' ' << status.rollout.revision << ' '
      << status.rollout.reason << '\n';
  out << "stable " << status.stable_revision << " candidate " << status.candidate_revision << " replicas "
      << status.replicas << " ready " << status.ready_replicas << ' ' << status.selector << ' ' << status.url
      << " rechecks " << status.recheck_failures.size() << '\n';
  for (const auto& condition : status.conditions) {
    // The level of a proof is gone with a lost status.
    const bool is_level = condition.type == "Validated";
    out << condition.type << ' ' << api::ToString(condition.status) << ' '
        << (is_level ? "" : condition.reason) << '\n';
  }
  if (const auto* record = status.FindRevision(target))
    out << "record " << api::ToString(record->phase) << ' ' << (record->digest.empty() ? "" : " bound")
        << '\n';
  for (const auto& [name, rs] : api_.replica_sets.all()) {
    if (api_.config_maps.Find(name) == nullptr) out << name << " has no ConfigMap\n";
    if (rs->replicas == 0 && rs->traffic == plan::kTrafficNone) continue;
    out << "ReplicaSet " << name << " x" << rs->replicas << ' ' << rs->traffic << ' '
        << (rs->digest.empty() ? "free" : "bound") << '\n';
  }
  for (const auto& [name, config] : api_.config_maps.all()) {
    if (api_.replica_sets.Find(name) == nullptr) out << name << " has no ReplicaSet\n";
  }
  std::map<std::string, int> pods;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->phase == "Failed") continue;
    std::ostringstream words;
    words << "pod of " << pod->meta.revision << ' ' << pod->traffic << ' '
          << (pod->digest.empty() ? "free" : "bound") << (pod->ready ? " ready" : "")
          << (pod->meta.deleting ? " deleting" : "");
    for (const auto& routes : network_.routes())
      words << (routes.contains(pod->meta.uid) ? " routed" : " unrouted");
    ++pods[words.str()];
  }
  for (const auto& [words, count] : pods) out << count << ' ' << words << '\n';
  if (const auto* service = api_.service()) out << "Service " << service->selector << service->ports << '\n';
  if (const auto* budget = api_.budget())
    out << "budget " << budget->selector << budget->max_unavailable << '\n';
  return out.str();
}

}  // namespace pilotlight::sim
