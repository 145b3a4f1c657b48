#include "tests/sim/trace.h"

#include <sstream>
#include <variant>

namespace pilotlight::sim {
namespace {

struct ActionWords {
  std::string operator()(const plan::EmitEvent& event) const { return "event " + event.reason; }
  std::string operator()(const plan::Create& create) const { return "create " + create.name; }
  std::string operator()(const plan::ChangeReplicaSet& change) const {
    return "change ReplicaSet " + change.name + " x" + std::to_string(change.replicas) + ' ' +
           change.traffic + (change.digest.empty() ? " free" : " bound");
  }
  std::string operator()(const plan::Repair& repair) const { return "repair " + repair.name; }
  std::string operator()(const plan::LabelPod& label) const {
    return "label " + label.name + ' ' + label.traffic;
  }
  std::string operator()(const plan::Delete& remove) const { return "delete " + remove.name; }
};

}  // namespace

std::string Words(const Write& write) {
  if (write.action != nullptr) return std::visit(ActionWords(), *write.action);
  const api::Status& status = *write.status;
  std::ostringstream out;
  out << "status " << api::ToString(status.rollout.phase) << ' ' << status.rollout.reason << " revision "
      << status.rollout.revision << " stable " << status.stable_revision << " candidate "
      << status.candidate_revision << " ready " << status.ready_replicas << '/' << status.replicas;
  for (const auto& record : status.revisions) {
    out << ' ' << record.name << '=' << api::ToString(record.phase) << (record.aborted ? "+aborted" : "")
        << (record.split_until ? "+split" : "");
  }
  if (const auto& canary = status.rollout.canary) {
    out << " step " << canary->step << '/' << canary->steps << " weight " << canary->desired << " applied "
        << canary->applied << (canary->step_since ? " since" : "") << (canary->promoting ? " promoting" : "")
        << ' ' << canary->verdict << ' ' << canary->reason;
  }
  return out.str();
}

std::string Words(const plan::Order& order) {
  std::string out = "tell " + order.revision + ' ' + order.pod_uid + " epoch " + std::to_string(order.epoch) +
                    " weight " + order.body["weight"].dump() + ' ' + order.body.value("segment", "") +
                    " until " + order.body["expiresAt"].get<std::string>();
  for (const auto& peer : order.body.value("peers", nlohmann::json::array()))
    out += " to " + peer["podUID"].get<std::string>();
  if (order.body.contains("callers")) out += " callers " + order.body["callers"].dump();
  return out;
}

std::string Words(const WriteResult& result) {
  if (result) return "ok";
  return result.error().problem ? result.error().problem->reason : "failed";
}

std::string LastChange(const ApiServer& api, ObjectKind kind) {
  std::ostringstream out;
  if (kind == ObjectKind::kPod) {
    const auto& change = api.pods.log().back();
    out << "pod " << change.name;
    if (!change.after) return out.str() + " is gone";
    const api::Pod& pod = *change.after;
    out << ' ' << pod.phase << ' ' << pod.traffic << (pod.digest.empty() ? " free" : " bound") << ' '
        << pod.node << (pod.running ? " running" : "") << (pod.ready ? " ready" : "")
        << (pod.meta.deleting ? " deleting" : "") << (pod.scheduled ? "" : " unschedulable") << ' '
        << pod.waiting_reason << " restarts " << pod.restarts;
  } else if (kind == ObjectKind::kReplicaSet) {
    const auto& change = api.replica_sets.log().back();
    out << "ReplicaSet " << change.name;
    if (!change.after) return out.str() + " is gone";
    out << " x" << change.after->replicas << " there " << change.after->current_replicas << ' '
        << change.after->traffic << ' ' << change.after->failure_reason;
  } else if (kind == ObjectKind::kEndpoints) {
    out << "endpoints";
    if (api.endpoints() != nullptr) {
      for (const auto& uid : api.endpoints()->ready_pods) out << ' ' << uid;
    }
  } else if (kind == ObjectKind::kModel) {
    if (api.model() == nullptr) return "no model";
    out << "model " << api.spec();
  } else {
    out << "another object";
  }
  return out.str();
}

}  // namespace pilotlight::sim
