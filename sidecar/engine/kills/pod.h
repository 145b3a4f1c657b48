#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/testing.h"
#include "sidecar/wire/fd.h"

namespace pilotlight::engine::testing {

// What models do with what they print while a test waits: a model whose printing nobody reads stands still.
enum class Models { kHeld, kGoOn };

// The container of a serving pod, and what outlives it: the real pilotlight-sidecar with the real
// pilotlight-engine, on ports of loopback; a scratch volume, and a file for the termination message.
//
// While one lives, its process is handed the orphans of its children (PR_SET_CHILD_SUBREAPER). Not
// thread-safe.
class Pod {
 public:
  explicit Pod(const nlohmann::json& config);
  ~Pod();
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;

  // Starts the container, once more perhaps. kBefore: its process then waits for its configuration, for ever.
  enum class Until { kListening, kBefore };
  void start(Until until = Until::kListening);

  // Kills the front and nothing else; its engines must end by themselves, and have ended when this returns.
  void kill_front();
  // Kills everything at once.
  void kill_container();
  void kill_engine(std::string_view role);
  // Stops the front's process in this phase, which would otherwise pass by itself; and lets it go on.
  void freeze_in(std::string_view phase);
  void thaw();
  // What kubelet does first.
  void terminate();
  // Waits for the front's own end: its exit code, or minus the signal.
  int end();

  // The processes of the engines that there are, by role.
  [[nodiscard]] std::map<std::string, pid_t> engines() const;
  [[nodiscard]] nlohmann::json status() const;
  nlohmann::json await(const std::function<bool(const nlohmann::json&)>& holds, std::string_view what,
                       Models models = Models::kHeld);
  nlohmann::json await_phase(std::string_view phase, Models models = Models::kHeld);
  // As await(), for what the status does not tell.
  void await_that(const std::function<bool()>& holds, std::string_view what);
  // Lets models print what they have begun to.
  void let_print();
  [[nodiscard]] double metric(std::string_view name) const;

  // The phases that the front of now has gone through, by its log.
  [[nodiscard]] std::vector<std::string> phases() const;
  // The termination message.
  [[nodiscard]] std::string last_words() const;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void wait_until_listening();

  std::filesystem::path folder_;
  int life_ = 0;
  pid_t front_ = 0;
  wire::UniqueFd printed_;
  wire::UniqueFd no_config_;
  std::uint16_t port_ = 0;
  std::uint16_t admin_ = 0;
};

}  // namespace pilotlight::engine::testing
