#include "operator/plan/testing/cluster.h"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "operator/api/parse.h"
#include "operator/plan/names.h"
#include "operator/plan/plan.h"
#include "operator/plan/revision.h"

namespace pilotlight::plan::testing {

using nlohmann::json;

namespace {

void KeysOf(const json& body, api::ConfigMap& config) {
  config.keys.clear();
  for (const auto& [name, text] : body["data"].items()) {
    if (name.ends_with(".pem")) config.keys[name] = text;
  }
}

}  // namespace

std::string Digest(char letter) {
  return "sha256:" + std::string(64, letter);
}

Behaviour Good(char letter) {
  return {.digest = Digest(letter)};
}

Behaviour Broken(std::string reason) {
  return {.ready = false,
          .final = true,
          .phase = "Failed",
          .failure = api::Failure{"Revision", std::move(reason), "Checking", "expected 1, got 2",
                                  "Export it again"}};
}

Behaviour Waiting(std::string reason) {
  return {.digest = "",
          .ready = false,
          .phase = "Retrying",
          .failure = api::Failure{"World", std::move(reason), "Fetching", "HTTP 404", "Upload the file"}};
}

Behaviour Changed() {
  return {.ready = false,
          .final = true,
          .phase = "Failed",
          .failure = api::Failure{"Pod", "SourceChanged", "Fetching", "other bytes", "Restore the file"}};
}

Behaviour Drifted() {
  Behaviour how = Good();
  how.recheck =
      api::Failure{"Pod", "GoldenMismatch", "Ready",
                   "case one, output y[0]: expected 1, got 2, error 1.0e+00 > 1.0e-04", "See its node"};
  return how;
}

Cluster::Cluster() : now(std::chrono::seconds(1'795'000'000)) {
  manifest_ = {{"metadata", {{"name", "digits"}, {"namespace", "ml"}, {"uid", "model"}}},
               {"spec", {{"model", {{"uri", "https://models.example/v1.tar"}}}}}};
  settings.sidecar_image = "sidecar:1";
  generation_ = 1;
}

void Cluster::Apply(const json& spec) {
  json next = manifest_;
  next["spec"].merge_patch(spec);
  if (next != manifest_) ++generation_;
  manifest_ = std::move(next);
}

void Cluster::Delete() {
  deleting_ = true;
}

Observed Cluster::Observe() const {
  json object = manifest_;
  object["metadata"]["generation"] = generation_;
  if (deleting_) object["metadata"]["deletionTimestamp"] = "2026-11-23T21:40:00Z";
  Observed seen = ObserveChildren();
  seen.model = api::Parse(object);
  // As it comes back from the API server, not as it was in memory.
  seen.model.status = api::StatusFromJson(api::ToJson(status_));
  return seen;
}

Observed Cluster::ObserveChildren() const {
  Observed seen;
  seen.config_maps = config_maps;
  seen.replica_sets = replica_sets;
  seen.pods = pods;
  seen.service = service;
  seen.budget = budget;
  seen.reports = reports_;
  seen.problem = problem;
  seen.settings = settings;
  seen.now = now;
  if (has_endpoint_slices) {
    seen.ready_endpoints.emplace();
    for (const api::Pod& pod : pods) {
      if (service && pod.ready && pod.traffic == kTrafficService && !pod.meta.deleting) {
        seen.ready_endpoints->push_back(pod.meta.uid);
      }
    }
  }
  return seen;
}

std::string Cluster::Revision() const {
  return RevisionName(Observe().model);
}

const api::ReplicaSet* Cluster::Find(const std::string& revision) const {
  const auto found =
      std::ranges::find_if(replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == revision; });
  return found == replica_sets.end() ? nullptr : &*found;
}

std::vector<api::Pod*> Cluster::Pods(const std::string& revision) {
  std::vector<api::Pod*> out;
  for (api::Pod& pod : pods) {
    if (pod.meta.revision == revision) out.push_back(&pod);
  }
  return out;
}

std::vector<std::string> Cluster::EventReasons() const {
  std::vector<std::string> out;
  for (const EmitEvent& event : events) out.push_back(event.reason);
  return out;
}

std::string Cluster::Condition(const std::string& type) const {
  const api::Condition* condition = status_.Find(type);
  if (condition == nullptr) return "none";
  return std::string(api::ToString(condition->status)) + "/" + condition->reason;
}

Decision Cluster::Reconcile(std::size_t most) {
  Decision decision = Plan(Observe());
  if (decision.status) {
    status_ = *decision.status;
    ++writes;
    if (after_write) after_write();
  }
  for (std::size_t i = 0; i < std::min(most, decision.actions.size()); ++i) Carry(decision.actions[i]);
  if (most >= decision.actions.size() && orders_arrive) {
    for (const Order& order : decision.orders) {
      const auto sidecar = sidecars.find(order.pod_uid);
      const auto pod =
          std::ranges::find_if(pods, [&](const api::Pod& p) { return p.meta.uid == order.pod_uid; });
      if (sidecar == sidecars.end() || pod == pods.end() || Of(*pod).silent || Of(*pod).unreachable) continue;
      if (!Of(*pod).order_error.empty()) continue;
      sidecar->second.Obey(order);
      if (after_write) after_write();
    }
  }
  // The scraper: exactly the pods that were asked for, and only those that can answer.
  std::map<std::string, api::Report> reports;
  const auto ask = [&](const std::string& uid, bool watched) {
    const auto pod = std::ranges::find_if(pods, [&](const api::Pod& p) { return p.meta.uid == uid; });
    if (pod == pods.end() || !pod->running) return;
    const Behaviour& how = Of(*pod);
    api::Report report{.container_id = pod->container_id,
                       .pod_uid = uid,
                       .revision = pod->meta.revision,
                       .phase = how.phase,
                       .ready = how.ready,
                       .final = how.final,
                       .digest = how.digest,
                       .attempt = how.attempt,
                       .bytes_fetched = how.bytes_fetched,
                       .failure = how.failure};
    report.recheck_failure = how.recheck;
    if (const auto sidecar = sidecars.find(uid); sidecar != sidecars.end()) sidecar->second.Tell(report, now);
    if (!how.order_error.empty()) report.order_error = how.order_error;
    if (how.ready && !watched) report.proof = {{"level", how.level}, {"digest", how.digest}};
    if (how.ready && !watched && !how.signature.is_null()) report.proof["signature"] = how.signature;
    if (how.silent || how.unreachable) {
      report = {
          .error = "no answer in time", .unreachable_since = pod->started, .container_id = pod->container_id};
      if (const auto before = reports_.find(uid); before != reports_.end())
        report.hop_certificate = before->second.hop_certificate;
    }
    reports[uid] = report;
  };
  for (const std::string& uid : decision.watch) ask(uid, true);
  for (const std::string& uid : decision.probe) ask(uid, false);
  reports_ = std::move(reports);
  return decision;
}

void Cluster::Carry(const Action& action) {
  std::visit([&](const auto& what) { Do(what); }, action);
  if (!std::holds_alternative<EmitEvent>(action)) ++writes;
  if (after_write) after_write();
}

void Cluster::Do(const EmitEvent& event) {
  events.push_back(event);
}

void Cluster::Do(const Create& create) {
  api::ChildMeta meta{.name = create.name,
                      .ns = "ml",
                      .uid = "u" + std::to_string(++uids_),
                      .owner_uid = "model",
                      .owner_name = "digits",
                      .instance = "digits",
                      .revision = create.body["metadata"]["labels"].value(kRevisionLabel, ""),
                      .created = now};
  switch (create.kind) {
    case Kind::kConfigMap:
      // The API server says AlreadyExists, and the operator finds its own object.
      if (std::ranges::none_of(config_maps, [&](const auto& c) { return c.meta.name == create.name; })) {
        config_maps.push_back({meta, {}});
        KeysOf(create.body, config_maps.back());
      }
      return;
    case Kind::kReplicaSet: {
      if (Find(create.name) != nullptr) return;
      const json& pod = create.body["spec"]["template"]["metadata"];
      replica_sets.push_back(
          {.meta = meta,
           .replicas = create.body["spec"]["replicas"],
           .traffic = pod["labels"][kTrafficLabel],
           .digest = pod.value(json::json_pointer(std::string("/annotations/pilotlight.dev~1digest")), ""),
           .config = create.body["metadata"]["annotations"].value(kConfigAnnotation, "")});
      return;
    }
    case Kind::kService:
      service = api::Service{meta, create.body["spec"]["selector"], create.body["spec"]["ports"]};
      return;
    case Kind::kDisruptionBudget:
      budget = api::DisruptionBudget{meta, create.body["spec"]["selector"]["matchLabels"],
                                     create.body["spec"]["maxUnavailable"]};
      return;
    case Kind::kPod:
      break;
  }
  throw std::logic_error("nobody creates pods but the ReplicaSet controller");
}

void Cluster::Do(const ChangeReplicaSet& change) {
  for (api::ReplicaSet& rs : replica_sets) {
    if (rs.meta.name != change.name || rs.meta.uid != change.uid) continue;
    rs.replicas = change.replicas;
    rs.traffic = change.traffic;
    if (!change.digest.empty()) rs.digest = change.digest;
  }
}

void Cluster::Do(const Repair& repair) {
  if (repair.kind == Kind::kConfigMap) {
    for (api::ConfigMap& config : config_maps) {
      if (config.meta.name == repair.name) KeysOf(repair.body, config);
    }
    return;
  }
  const json& spec = repair.body["spec"];
  if (repair.kind == Kind::kService) {
    service->selector = spec["selector"];
    service->ports = spec["ports"];
  } else {
    budget->selector = spec["selector"]["matchLabels"];
    budget->max_unavailable = spec["maxUnavailable"];
  }
}

void Cluster::Do(const LabelPod& label) {
  for (api::Pod& pod : pods) {
    if (pod.meta.uid != label.uid || pod.meta.resource_version != label.resource_version) continue;
    pod.traffic = label.traffic;
    if (!label.digest.empty()) pod.digest = label.digest;
    Touch(pod);
  }
}

void Cluster::Do(const plan::Delete& remove) {
  const auto is_it = [&](const auto& object) { return object.meta.uid == remove.uid; };
  switch (remove.kind) {
    case Kind::kConfigMap:
      std::erase_if(config_maps, is_it);
      return;
    case Kind::kReplicaSet:
      std::erase_if(replica_sets, is_it);
      return;
    case Kind::kService:
      service.reset();
      return;
    case Kind::kDisruptionBudget:
      budget.reset();
      return;
    case Kind::kPod:
      deleted_pods.push_back(remove.name);
      std::erase_if(pods, is_it);
      return;
  }
}

const Behaviour& Cluster::Of(const api::Pod& pod) const {
  if (const auto found = pod_behaviours.find(pod.meta.name); found != pod_behaviours.end())
    return found->second;
  if (const auto found = behaviours.find(pod.meta.revision); found != behaviours.end()) return found->second;
  return usual;
}

void Cluster::Kubernetes() {
  for (api::ReplicaSet& rs : replica_sets) {
    auto mine = Pods(rs.meta.name);
    // Unready pods go first, as in Kubernetes.
    std::ranges::stable_sort(mine, {}, [](const api::Pod* pod) { return pod->ready; });
    std::vector<std::string> surplus;
    for (std::int64_t i = 0; i < std::ssize(mine) - rs.replicas; ++i) surplus.push_back(mine[i]->meta.uid);
    std::erase_if(pods, [&](const api::Pod& pod) { return std::ranges::contains(surplus, pod.meta.uid); });
    for (auto count = std::ssize(Pods(rs.meta.name)); count < rs.replicas; ++count) {
      api::Pod pod{.meta = {.name = rs.meta.name + "-" + std::to_string(++uids_),
                            .ns = "ml",
                            .uid = "u" + std::to_string(uids_),
                            .owner_uid = rs.meta.uid,
                            .owner_name = rs.meta.name,
                            .instance = "digits",
                            .revision = rs.meta.name,
                            .created = now},
                   .traffic = rs.traffic,
                   .digest = rs.digest,
                   .phase = "Pending"};
      Touch(pod);
      pods.push_back(pod);
    }
    rs.current_replicas = std::ssize(Pods(rs.meta.name));
  }
  // Garbage collection.
  std::erase_if(pods, [&](const api::Pod& pod) { return Find(pod.meta.owner_name) == nullptr; });
  std::map<std::string, int> placed;  // one pod of a revision after the other goes to the next node
  for (api::Pod& pod : pods) {
    const int node = ++placed[pod.meta.revision];
    if (pod.phase == "Failed") continue;
    if (!schedules) {
      pod.scheduled = false;
      pod.unscheduled_why = "0/1 nodes are available: 1 Insufficient cpu";
      continue;
    }
    pod.scheduled = true;
    if (pod.node.empty()) pod.node = "node-" + std::to_string(node);
    pod.ip = "10.0.0.1";
    pod.phase = "Running";
    if (!pod.running) {
      pod.running = true;
      pod.started = now;
      pod.container_id = "c" + std::to_string(++uids_);
      const std::string certificate = "sha256:" + pod.container_id;
      const auto [sidecar, is_new] = sidecars.try_emplace(pod.meta.uid, pod.meta.uid, certificate);
      if (!is_new) sidecar->second.Restart(certificate);
      Touch(pod);
    }
    const Behaviour& how = Of(pod);
    // A sidecar with a pin refuses other bytes.
    const bool ready = how.ready && !how.silent && (pod.digest.empty() || pod.digest == how.digest);
    if (pod.ready == ready) continue;
    pod.ready = ready;
    pod.ready_since = ready ? std::optional(now) : std::nullopt;
    Touch(pod);
  }
}

void Cluster::Wait(std::chrono::seconds time) {
  for (; time.count() > 0; time -= std::chrono::seconds(1)) {
    now += std::chrono::seconds(1);
    if (requests_per_second == 0) {
      for (const api::Pod& pod : pods) {
        if (pod.ready) sidecars.at(pod.meta.uid).Idle(Of(pod).golden_errors, now);
      }
      continue;
    }
    for (const api::Pod& pod : pods) {
      if (!pod.ready || pod.traffic != kTrafficService) continue;
      Sidecar& sidecar = sidecars.at(pod.meta.uid);
      Load load{
          .requests = requests_per_second, .stable_errors = Of(pod).errors, .stable_slow = Of(pod).slow};
      for (const api::Pod& peer : pods) {
        if (!sidecar.Hands(peer.meta.uid, now)) continue;
        load.candidate_errors = Of(peer).errors;
        load.unanswered = Of(peer).unanswered;
        load.candidate_slow = Of(peer).slow;
      }
      sidecar.Serve(load, now);
    }
  }
}

void Cluster::Run(std::chrono::seconds patience) {
  const api::Time end = now + patience;
  for (int restless = 0; now <= end; ++restless) {
    if (restless > 1000) throw std::logic_error("it writes and writes, and never comes to rest");
    const std::size_t before = writes;
    const Decision decision = Reconcile();
    Kubernetes();
    if (writes != before) continue;
    restless = 0;
    if (!decision.again_after && decision.probe.empty()) return;
    Wait(std::chrono::seconds(1));
  }
}

void Cluster::Until(const std::function<bool()>& done, std::chrono::seconds pace) {
  for (int step = 0; !done(); ++step) {
    if (step > 1000) throw std::logic_error("it never comes to that");
    Reconcile();
    Kubernetes();
    Wait(pace);
  }
}

}  // namespace pilotlight::plan::testing
