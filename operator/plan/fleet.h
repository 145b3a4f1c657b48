#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "operator/plan/observed.h"

// The pods of one ModelDeployment, by revision, and what can be said of them.
//
// Thread-safety: immutable once made. Points into the Observed, which must outlive it.
namespace pilotlight::plan {

class Fleet {
 public:
  explicit Fleet(const Observed& seen);
  explicit Fleet(const Observed&&) = delete;  // it looks into it for as long as it lives

  const api::ReplicaSet* Find(const std::string& revision) const;
  // Pods that live: neither ended nor on their way out. By name.
  const std::vector<const api::Pod*>& Pods(const std::string& revision) const;
  // Pods that a node has ended (evicted, for example), the newest last.
  const std::vector<const api::Pod*>& EndedPods(const std::string& revision) const;
  // Null: nobody has asked it, or the container that answered is no more.
  const api::Report* ReportOf(const api::Pod& pod) const;

  // The pod's own report proves `revision`: the right pod, ready, with a proof and a digest.
  bool Proves(const api::Pod& pod, const std::string& revision) const;
  // In the Service and bound to its revision's pin.
  bool IsMember(const api::Pod& pod) const;
  // A member that gets requests, as far as can be known.
  bool Serves(const api::Pod& pod) const;
  // Ready members of `revision` that have been so for `at_least`.
  std::int64_t CountServing(const std::string& revision, std::chrono::seconds at_least = {}) const;
  // The same of all revisions.
  std::int64_t CountServing() const;
  // Ready members of `revision`, listed or not.
  std::int64_t CountReady(const std::string& revision) const;
  // Members, ready or not, of all revisions.
  std::int64_t CountMembers() const;
  // Whether anything of `revision` is, or may any moment be, in the Service.
  bool GetsTraffic(const std::string& revision) const;

 private:
  const Observed& seen_;
  std::map<std::string, const api::ReplicaSet*> replica_sets_;
  std::map<std::string, std::vector<const api::Pod*>> pods_;
  std::map<std::string, std::vector<const api::Pod*>> ended_;
};

// "sha256:" and 64 hexadecimal digits.
bool IsDigest(std::string_view text);

}  // namespace pilotlight::plan
