#pragma once

#include <map>
#include <set>
#include <string>

// What really happened, which no API object tells: the memory of those who judge the operator.
//
// Thread-safety: plain values.
namespace pilotlight::sim {

struct Ledger {
  // Pods that something outside the operator has hurt, by UID: it is not to blame if they do not serve.
  std::set<std::string> hurt;
  // Pods and ReplicaSets whose labels somebody changed by hand, by UID, until the operator writes them.
  std::set<std::string> tampered;
  // Digests that an unpinned pod has proven, by revision.
  std::map<std::string, std::set<std::string>> proven;
  // Revisions that status called failed or aborted, each with the spec.rollout.retry under which it did:
  // another token is another try.
  std::map<std::string, std::string> condemned;
  // The version of the model that a revision stands for.
  std::map<std::string, int> version_of;
  // Somebody emptied the status, and the operator has not written it again.
  bool status_lost = false;
  bool service_tampered = false;
  // Somebody changed a ReplicaSet's template by hand: how many pods its revision has in the Service is then
  // his doing.
  bool template_tampered = false;
  // Two operators have been at work at once, as leader election never lets them.
  bool two_writers = false;
};

}  // namespace pilotlight::sim
