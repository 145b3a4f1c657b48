#include "tests/sim/nodes.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "operator/plan/names.h"
#include "tests/sim/versions.h"

namespace pilotlight::sim {
namespace {

using api::Pod;
using State = Sidecar::State;
using namespace std::chrono_literals;

api::Time Seconds(Moment moment) {
  return std::chrono::floor<std::chrono::seconds>(moment);
}

api::Failure FailureOf(const char* klass, const char* reason) {
  return {.klass = klass,
          .reason = reason,
          .phase = "Checking",
          .message = "it is not right",
          .remedy = "Mend it"};
}

}  // namespace

Nodes::Nodes(EventQueue& queue, Random& random, ApiServer& api, const Weather& weather, Ledger& ledger)
    : queue_(queue), random_(random), api_(api), weather_(weather), ledger_(ledger) {
  for (const char* name : {"node-1", "node-2", "node-3"}) nodes_.push_back({.name = name});
}

const Sidecar* Nodes::SidecarOf(const std::string& uid) const {
  const auto found = sidecars_.find(uid);
  return found == sidecars_.end() ? nullptr : &found->second;
}

void Nodes::Later(Millis delay, const std::string& uid, std::function<void(const Pod&, Sidecar&)> what) {
  queue_.After(delay, [this, uid, life = sidecars_[uid].life, what = std::move(what)] {
    const Pod* pod = api_.PodOf(uid);
    const auto sidecar = sidecars_.find(uid);
    if (pod == nullptr || sidecar == sidecars_.end() || sidecar->second.life != life) return;
    what(*pod, sidecar->second);
  });
}

template <typename F>
void Nodes::Edit(const Pod& pod, F change) {
  Pod next = pod;
  change(next);
  api_.Put(api_.pods, std::move(next));
}

Node* Nodes::NodeOf(const Pod& pod) {
  const auto found = std::ranges::find(nodes_, pod.node, &Node::name);
  return found == nodes_.end() ? nullptr : &*found;
}

void Nodes::PodsChanged() {
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->meta.deleting) {
      if (!sidecars_[pod->meta.uid].terminating) Terminate(*pod);
    } else if (pod->node.empty() && pod->phase == "Pending") {
      ScheduleSoon();
    }
  }
}

void Nodes::ScheduleSoon() {
  if (std::exchange(scheduling_, true)) return;
  queue_.After(random_.Between(5ms, 60ms), [this] {
    scheduling_ = false;
    Schedule();
  });
}

void Nodes::Schedule() {
  std::vector<std::shared_ptr<const Pod>> waiting;
  std::map<std::string, std::int64_t> used;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (!pod->node.empty()) {
      if (pod->phase != "Failed") ++used[pod->node];
    } else if (!pod->meta.deleting && pod->phase == "Pending") {
      waiting.push_back(pod);
    }
  }
  for (const auto& pod : waiting) {
    const Node* best = nullptr;
    for (const Node& node : nodes_) {
      if (!node.up || node.cordoned || used[node.name] >= node.room) continue;
      if (best == nullptr || used[node.name] < used[best->name]) best = &node;
    }
    if (best == nullptr) {
      if (!pod->scheduled) continue;
      Edit(*pod, [](Pod& next) {
        next.scheduled = false;
        next.unscheduled_why = "no node has room";
      });
      continue;
    }
    ++used[best->name];
    Edit(*pod, [&](Pod& next) {
      next.scheduled = true;
      next.unscheduled_why.clear();
      next.node = best->name;
    });
    Later(random_.Between(50ms, 400ms), pod->meta.uid, [this](const Pod& p, Sidecar& s) { Start(p, s); });
  }
}

void Nodes::Start(const Pod& pod, Sidecar& sidecar) {
  const Node* node = NodeOf(pod);
  if (node == nullptr || !node->up || pod.meta.deleting || pod.phase == "Failed") return;
  const bool has_config = api_.config_maps.Find(pod.meta.revision) != nullptr;
  if (!weather_.images || !has_config) {
    const std::string why = !weather_.images ? "ImagePullBackOff" : "";
    if (pod.waiting_reason != why) Edit(pod, [&](Pod& next) { next.waiting_reason = why; });
    return Later(3s, pod.meta.uid, [this](const Pod& p, Sidecar& s) { Start(p, s); });
  }
  const int life = sidecar.life + 1;
  sidecar = {.state = State::kStarting,
             .container = "c" + std::to_string(++containers_),
             .pin = pod.digest,
             .life = life};
  Edit(pod, [&](Pod& next) {
    next.phase = "Running";
    next.waiting_reason.clear();
    next.running = true;
    next.started = Seconds(queue_.now());
    next.container_id = sidecar.container;
    if (next.ip.empty()) next.ip = FreeAddress();
  });
  started(pod.meta.uid, sidecar.container);
  Later(random_.Between(100ms, 1500ms), pod.meta.uid, [this](const Pod& p, Sidecar& s) { Fetch(p, s); });
}

// A pod's address goes to the next one as soon as it is gone: sooner than in any cluster.
std::string Nodes::FreeAddress() const {
  std::set<std::string> used;
  for (const auto& [name, pod] : api_.pods.all()) used.insert(pod->ip);
  int last = 1;
  while (used.contains("10.0.0." + std::to_string(last))) ++last;
  return "10.0.0." + std::to_string(last);
}

void Nodes::Fetch(const Pod& pod, Sidecar& sidecar) {
  const int version = ledger_.version_of[pod.meta.revision];
  if (weather_.unfetchable.contains(version)) {
    sidecar.state = State::kRetrying;
    sidecar.failure = api::Failure{"World", "NotFound", "Fetching", "HTTP 404", "Upload the file"};
    ++sidecar.attempt;
    sidecar_changed(pod.meta.uid);
    return Later(4s, pod.meta.uid, [this](const Pod& p, Sidecar& s) { Fetch(p, s); });
  }
  sidecar.failure.reset();
  const auto other = weather_.other_bytes.find(version);
  sidecar.digest = Digest(other == weather_.other_bytes.end() ? BytesOf(version) : other->second);
  if (!sidecar.pin.empty() && sidecar.pin != sidecar.digest) {
    sidecar.state = State::kFailed;
    sidecar.failure = FailureOf("Pod", "SourceChanged");
  } else {
    sidecar.state = State::kChecking;
    Later(random_.Between(100ms, 800ms), pod.meta.uid, [this](const Pod& p, Sidecar& s) { Check(p, s); });
  }
  sidecar_changed(pod.meta.uid);
}

void Nodes::Check(const Pod& pod, Sidecar& sidecar) {
  const int version = ledger_.version_of[pod.meta.revision];
  const bool broken = NodeOf(pod)->broken;
  // A pinned revision has been proven: its pods skip the check, but not their node's faults.
  if (broken || (version == kBadVersion && sidecar.pin.empty())) {
    sidecar.state = State::kFailed;
    sidecar.failure = FailureOf(sidecar.pin.empty() ? "Revision" : "Pod", "GoldenMismatch");
    return sidecar_changed(pod.meta.uid);
  }
  sidecar.state = State::kReady;
  sidecar.accepting = true;
  if (sidecar.pin.empty()) ledger_.proven[pod.meta.revision].insert(sidecar.digest);
  ProbeReadiness(pod.meta.uid);
  if (weather_.crashing.contains(version)) {
    Later(random_.Between(1s, 5s), pod.meta.uid,
          [this](const Pod& p, Sidecar&) { Crash(p.meta.uid, "Error"); });
  }
  sidecar_changed(pod.meta.uid);
}

// The kubelet asks once in a second.
void Nodes::ProbeReadiness(const std::string& uid) {
  Later(random_.Between(50ms, 1000ms + weather_.kubelet_lag), uid, [this](const Pod& p, Sidecar& s) {
    const bool ready = s.state == State::kReady;
    if (p.meta.deleting || p.ready == ready) return;
    Edit(p, [&](Pod& next) {
      next.ready = ready;
      next.ready_since.reset();
      if (ready) next.ready_since = Seconds(queue_.now());
    });
  });
}

void Nodes::CrashEngine(const std::string& uid) {
  const Pod* pod = api_.PodOf(uid);
  if (pod == nullptr || pod->meta.deleting || sidecars_[uid].state != State::kReady) return;
  ledger_.hurt.insert(uid);
  Sidecar& sidecar = sidecars_[uid];
  sidecar.state = State::kChecking;
  sidecar.accepting = false;
  ++sidecar.life;
  ProbeReadiness(uid);
  Later(random_.Between(300ms, 4000ms), uid, [this](const Pod& p, Sidecar& s) { Check(p, s); });
  sidecar_changed(uid);
}

void Nodes::Crash(const std::string& uid, const std::string& reason) {
  const Pod* pod = api_.PodOf(uid);
  if (pod == nullptr || pod->meta.deleting || !pod->running) return;
  ledger_.hurt.insert(uid);
  Sidecar& sidecar = sidecars_[uid];
  sidecar = {.life = sidecar.life + 1};
  const auto backoff =
      std::min<Millis>(1s * (std::int64_t{1} << std::min<std::int64_t>(pod->restarts, 6)), 60s);
  const auto tell = [this, reason](const Pod& crashed) {
    Edit(crashed, [&](Pod& next) {
      next.running = false;
      next.ready = false;
      next.ready_since.reset();
      ++next.restarts;
      next.waiting_reason = "CrashLoopBackOff";
      next.last_exit_reason = reason;
      next.last_exit_code = 1;
    });
  };
  const Millis lag = weather_.kubelet_lag;
  if (lag == 0ms) {
    tell(*pod);
  } else {
    Later(lag, uid, [tell](const Pod& p, Sidecar&) { tell(p); });
  }
  sidecar_changed(uid);
  Later(lag + backoff, uid, [this](const Pod& p, Sidecar& s) { Start(p, s); });
}

void Nodes::End(const std::string& uid) {
  const Pod* pod = api_.PodOf(uid);
  if (pod == nullptr || pod->meta.deleting || pod->node.empty() || pod->phase == "Failed") return;
  ledger_.hurt.insert(uid);
  sidecars_[uid] = {.life = sidecars_[uid].life + 1};
  Edit(*pod, [](Pod& next) {
    next.phase = "Failed";
    next.reason = "Evicted";
    next.message = "the node was low on memory";
    next.running = false;
    next.ready = false;
    next.ready_since.reset();
  });
  ScheduleSoon();
}

void Nodes::FailRecheck(const std::string& uid) {
  const auto sidecar = sidecars_.find(uid);
  if (sidecar == sidecars_.end() || sidecar->second.state != State::kReady) return;
  sidecar->second.recheck = FailureOf("Pod", "GoldenMismatch");
  sidecar_changed(uid);
}

void Nodes::Heal() {
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    nodes_[node].broken = false;
    nodes_[node].room = Node().room;
    Return(node);
    Uncordon(node);
  }
  for (auto& [uid, sidecar] : sidecars_) {
    if (!sidecar.recheck) continue;
    sidecar.recheck.reset();
    sidecar_changed(uid);
  }
}

// SIGTERM. The sidecar is unready, and goes on answering until nobody comes any more.
void Nodes::Terminate(const Pod& pod) {
  Sidecar& sidecar = sidecars_[pod.meta.uid];
  sidecar.terminating = true;
  ++sidecar.life;
  const Node* node = NodeOf(pod);
  if (node != nullptr && !node->up) return;  // until the node is back, or forgotten
  if (sidecar.accepting) return Drained(pod.meta.uid, queue_.now());
  Later(random_.Between(20ms, 200ms), pod.meta.uid,
        [this](const Pod& p, Sidecar&) { api_.Remove(api_.pods, std::string(p.meta.name)); });
}

// docs/sidecar.md: at least 3 s, until 2 s pass without a new connection, at most 20 s.
void Nodes::Drained(const std::string& uid, Moment since) {
  const bool routed = is_routed(uid);
  const Millis waited = queue_.now() - since;
  if (waited < 20s && (waited < 3s || routed)) {
    return Later(waited < 3s ? 3s - waited : 2s, uid,
                 [this, uid, since](const Pod&, Sidecar&) { Drained(uid, since); });
  }
  sidecars_[uid].accepting = false;
  sidecars_[uid].state = State::kNone;
  Later(random_.Between(20ms, 300ms), uid,
        [this](const Pod& p, Sidecar&) { api_.Remove(api_.pods, std::string(p.meta.name)); });
}

void Nodes::Lose(std::size_t node) {
  Node& lost = nodes_[node];
  if (!lost.up) return;
  lost.up = false;
  std::vector<std::string> uids;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->node != lost.name) continue;
    uids.push_back(pod->meta.uid);
    ledger_.hurt.insert(pod->meta.uid);
    sidecars_[pod->meta.uid] = {.terminating = pod->meta.deleting, .life = sidecars_[pod->meta.uid].life + 1};
    sidecar_changed(pod->meta.uid);
  }
  // It takes the control plane a while to notice (40 s in a real cluster), and longer to give its pods up.
  for (const std::string& uid : uids) {
    Later(8s, uid, [this](const Pod& p, Sidecar&) {
      if (!p.ready) return;
      Edit(p, [](Pod& next) {
        next.ready = false;
        next.ready_since.reset();
      });
    });
    Later(40s, uid, [this](const Pod& p, Sidecar&) {
      if (!p.meta.deleting) Edit(p, [](Pod& next) { next.meta.deleting = true; });
    });
  }
}

void Nodes::Forget(std::size_t node) {
  Lose(node);
  std::vector<std::string> names;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->node == nodes_[node].name) names.push_back(name);
  }
  for (const std::string& name : names) api_.Remove(api_.pods, name);
}

void Nodes::Return(std::size_t node) {
  Node& back = nodes_[node];
  if (back.up) return;
  back.up = true;
  std::vector<std::shared_ptr<const Pod>> pods;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->node == back.name && pod->phase != "Failed") pods.push_back(pod);
  }
  for (const auto& pod : pods) {
    Sidecar& sidecar = sidecars_[pod->meta.uid];
    ++sidecar.life;
    if (pod->meta.deleting) {
      Later(500ms, pod->meta.uid,
            [this](const Pod& p, Sidecar&) { api_.Remove(api_.pods, std::string(p.meta.name)); });
      continue;
    }
    Edit(*pod, [](Pod& next) {
      if (next.running) ++next.restarts;
      next.running = false;
      next.ready = false;
      next.ready_since.reset();
    });
    Later(random_.Between(500ms, 2000ms), pod->meta.uid, [this](const Pod& p, Sidecar& s) { Start(p, s); });
  }
  ScheduleSoon();
}

void Nodes::Drain(std::size_t node) {
  nodes_[node].cordoned = true;
  EvictAll(node, 20);
}

void Nodes::Uncordon(std::size_t node) {
  nodes_[node].cordoned = false;
  ScheduleSoon();
}

void Nodes::EvictAll(std::size_t node, int tries) {
  if (!nodes_[node].cordoned || tries == 0) return;
  std::vector<std::string> names;
  for (const auto& [name, pod] : api_.pods.all()) {
    if (pod->node == nodes_[node].name && !pod->meta.deleting) names.push_back(name);
  }
  for (const std::string& name : names) {
    const Pod* pod = api_.pods.Find(name);
    if (pod == nullptr || !MayEvict(*pod)) continue;
    ledger_.hurt.insert(pod->meta.uid);
    Edit(*pod, [](Pod& next) { next.meta.deleting = true; });
  }
  if (!names.empty()) queue_.After(5s, [this, node, tries] { EvictAll(node, tries - 1); });
}

// The eviction API's sum: healthy pods of the budget against what their controllers ask for, less one.
bool Nodes::MayEvict(const Pod& pod) const {
  const api::DisruptionBudget* budget = api_.budget();
  const auto covers = [&](const Pod& other) {
    const auto label = budget->selector.find(plan::kTrafficLabel);
    return label != budget->selector.end() && *label == other.traffic;
  };
  if (budget == nullptr || !covers(pod) || pod.phase == "Failed") return true;
  std::int64_t healthy = 0;
  std::set<std::string> owners;
  for (const auto& [name, other] : api_.pods.all()) {
    if (!covers(*other)) continue;
    owners.insert(other->meta.owner_name);
    if (other->ready && !other->meta.deleting) ++healthy;
  }
  std::int64_t expected = 0;
  for (const std::string& owner : owners) {
    if (const api::ReplicaSet* rs = api_.replica_sets.Find(owner)) expected += rs->replicas;
  }
  return pod.ready ? healthy >= expected : healthy >= expected - 1;
}

std::optional<api::Report> Nodes::Answer(const std::string& uid) const {
  const Pod* pod = api_.PodOf(uid);
  const Sidecar* sidecar = SidecarOf(uid);
  if (pod == nullptr || sidecar == nullptr || sidecar->state == State::kNone) return std::nullopt;
  api::Report report{.container_id = sidecar->container, .pod_uid = uid, .revision = pod->meta.revision};
  switch (sidecar->state) {
    case State::kNone:
    case State::kStarting:
      report.phase = "Fetching";
      break;
    case State::kRetrying:
      report.phase = "Retrying";
      break;
    case State::kChecking:
      report.phase = "Checking";
      break;
    case State::kReady:
      report.phase = "Ready";
      break;
    case State::kFailed:
      report.phase = "Failed";
      report.final = true;
      break;
  }
  report.ready = sidecar->state == State::kReady;
  report.digest = sidecar->digest;
  report.attempt = sidecar->attempt;
  report.failure = sidecar->failure;
  report.recheck_failure = sidecar->recheck;
  if (report.ready) report.proof = {{"level", "Answers"}, {"digest", sidecar->digest}};
  return report;
}

}  // namespace pilotlight::sim
