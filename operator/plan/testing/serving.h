#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "operator/plan/fleet.h"
#include "operator/plan/testing/cluster.h"

// What tests of Plan() begin and end with.
namespace pilotlight::plan::testing {

// A model's file, for Cluster::Apply().
inline nlohmann::json Uri(const std::string& name) {
  return {{"model", {{"uri", "https://models.example/" + name}}}};
}

// The actions of that kind.
template <typename T>
std::vector<T> Of(const Decision& decision) {
  std::vector<T> out;
  for (const Action& action : decision.actions) {
    if (const T* one = std::get_if<T>(&action)) out.push_back(*one);
  }
  return out;
}

// How many pods get requests.
inline std::int64_t Serving(const Cluster& cluster) {
  const auto seen = cluster.ObserveChildren();
  return Fleet(seen).CountServing();
}

// A cluster at rest with `replicas` pods of one revision.
inline Cluster Serving(int replicas) {
  Cluster cluster;
  cluster.Apply({{"replicas", replicas}});
  cluster.Run();
  return cluster;
}

}  // namespace pilotlight::plan::testing
