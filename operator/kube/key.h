// The name of an object within its resource. Thread-safety: plain values.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>

namespace pilotlight::kube {

struct Key {
  std::string ns;  // empty: cluster-scoped
  std::string name;

  auto operator<=>(const Key&) const = default;
  // "namespace/name", or "name".
  std::string ToString() const { return ns.empty() ? name : ns + "/" + name; }
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    const std::size_t h = std::hash<std::string>()(key.ns);
    return std::hash<std::string>()(key.name) ^ (h + 0x9e3779b97f4a7c15ULL + (h << 6U) + (h >> 2U));
  }
};

}  // namespace pilotlight::kube
