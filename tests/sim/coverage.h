#pragma once

#include <cstdint>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>

namespace pilotlight::sim {

class ApiServer;

// How much of what can be was seen: states of the world with names and times left out, and steps from one to
// the next.
//
// Thread-safety: one thread.
class Coverage {
 public:
  void Note(const ApiServer& api);
  // The next state follows none: a new run.
  void Begin() { last_ = 0; }
  // One that has seen nothing yet, and goes on where this one is.
  Coverage FromHere() const;
  void Add(const Coverage& other);
  // In a form for another process; what it cannot be is an error of nlohmann::json.
  nlohmann::json ToJson() const;
  static Coverage FromJson(const nlohmann::json& document);
  // One line for each, so that several programs' can be put together.
  void Write(std::ostream& out) const;

  std::size_t states() const { return states_.size(); }
  std::size_t transitions() const { return transitions_.size(); }

 private:
  std::unordered_set<std::uint64_t> states_;
  std::unordered_set<std::uint64_t> transitions_;
  std::uint64_t last_ = 0;
};

}  // namespace pilotlight::sim
