#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "operator/plan/decision.h"
#include "operator/plan/observed.h"
#include "operator/plan/testing/sidecar.h"

// A cluster of a few lines for tests of Plan(): an API server's objects, a ReplicaSet controller, a kubelet
// and sidecars that behave as the test says. Time moves only when told to.
//
// Thread-safety: one thread.
namespace pilotlight::plan::testing {

// How the sidecar of a pod behaves, once it runs.
struct Behaviour {
  std::string digest = std::string("sha256:") + std::string(64, 'a');
  bool ready = true;
  bool final = false;
  std::string phase = "Ready";
  std::optional<api::Failure> failure;
  std::string level = "Answers";
  nlohmann::json signature;  // null: its sidecar verified none
  std::int64_t attempt = 1;
  std::int64_t bytes_fetched = 0;
  bool silent = false;
  bool unreachable = false;  // for the operator alone
  std::string order_error;   // not empty: no call is heard, and so the operator's reports say
  bool scheduled = true;
  // Of the requests that it gets, from 0 to 1.
  double errors = 0;
  bool unanswered = false;  // those are no answers at all
  double slow = 0;
  double golden_errors = 0;             // of the golden requests that it makes of itself
  std::optional<api::Failure> recheck;  // what its last golden re-check found
};

std::string Digest(char letter);
Behaviour Good(char letter = 'a');
Behaviour Broken(std::string reason = "GoldenMismatch");
Behaviour Waiting(std::string reason = "NotFound");
// A pod of a pinned revision that finds other bytes.
Behaviour Changed();
// Serves, and no longer gives the golden answers.
Behaviour Drifted();

class Cluster {
 public:
  Cluster();

  // spec, merged into the manifest; the API server bumps the generation when it changes anything.
  void Apply(const nlohmann::json& spec);
  void Delete();

  // One decision, carried out up to `most` actions; a crash after the status if `most` is 0. Returns the
  // decision.
  Decision Reconcile(std::size_t most = SIZE_MAX);
  // Kubernetes' controllers and the sidecars catch up.
  void Kubernetes();
  // Reconciles and lets time pass until nothing is left to do (but for waiting that lasts longer than
  // `patience`).
  void Run(std::chrono::seconds patience = std::chrono::seconds(120));
  // Reconciles, with Kubernetes at once behind and `pace` in between, until it has come to that.
  void Until(const std::function<bool()>& done, std::chrono::seconds pace = std::chrono::seconds(0));
  // It has asked nobody yet.
  void RestartOperator() { reports_.clear(); }
  // The pods in the Service get requests meanwhile.
  void Wait(std::chrono::seconds time);

  Observed Observe() const;
  Observed ObserveChildren() const;  // all but the model
  const api::Status& status() const { return status_; }
  std::string Revision() const;  // what the spec asks for
  const api::ReplicaSet* Find(const std::string& revision) const;
  std::vector<api::Pod*> Pods(const std::string& revision);
  std::vector<std::string> EventReasons() const;
  // "True/Serving" or the like.
  std::string Condition(const std::string& type) const;

  // By revision; `usual` for others.
  std::map<std::string, Behaviour> behaviours;
  // By pod name: wins.
  std::map<std::string, Behaviour> pod_behaviours;
  Behaviour usual;
  // By pod UID; made when a pod runs.
  std::map<std::string, Sidecar> sidecars;
  double requests_per_second = 0;  // of each pod in the Service
  // False: nobody's calls arrive.
  bool orders_arrive = true;
  // False: pods stay without a node.
  bool schedules = true;
  bool has_endpoint_slices = true;
  std::optional<Problem> problem;
  Settings settings;
  api::Time now;

  // What is there, to be tampered with.
  std::vector<api::ConfigMap> config_maps;
  std::vector<api::ReplicaSet> replica_sets;
  std::vector<api::Pod> pods;
  std::optional<api::Service> service;
  std::optional<api::DisruptionBudget> budget;
  api::Status status_;
  std::vector<EmitEvent> events;
  std::vector<std::string> deleted_pods;
  std::size_t writes = 0;

  // Called after every single write.
  std::function<void()> after_write;

 private:
  void Carry(const Action& action);
  void Do(const EmitEvent& event);
  void Do(const Create& create);
  void Do(const ChangeReplicaSet& change);
  void Do(const Repair& repair);
  void Do(const LabelPod& label);
  void Do(const plan::Delete& remove);
  const Behaviour& Of(const api::Pod& pod) const;
  void Touch(api::Pod& pod) { pod.meta.resource_version = std::to_string(++versions_); }

  nlohmann::json manifest_;
  std::int64_t generation_ = 0;
  bool deleting_ = false;
  bool gone_ = false;
  int uids_ = 0;
  int versions_ = 0;
  std::map<std::string, api::Report> reports_;
};

}  // namespace pilotlight::plan::testing
