#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "sidecar/front/children.h"
#include "sidecar/wire/fd.h"

namespace pilotlight::front {

// check: proves a model and ends. serve: proves it again, warms it and answers.
enum class Role { kCheck, kServe };

// A running engine. Destruction kills it.
class Process {
 public:
  virtual ~Process() = default;
  virtual void kill() = 0;
};

struct Launched {
  wire::UniqueFd socket;  // our end; non-blocking
  std::unique_ptr<Process> process;
};

// Starts engines. `ended` is called on the loop's thread, once, unless the Process is destroyed before.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual std::expected<Launched, std::string> launch(Role role, std::function<void(Exit)> ended) = 0;
};

// What an engine must know before it is given anything; its sandbox is shut by then.
struct EngineSettings {
  std::int64_t threads = 0;      // 0: as many as the cgroup's quota allows
  std::uint64_t data_bytes = 0;  // the most memory of its own; 0: no limit
  bool machine_code = false;     // the model will be that, and nothing else
};

// Starts the real program with posix_spawn, with a clean environment and no descriptors but the socket and
// the standard ones. To be used from a thread that lives as long as the front: the engine asks the kernel to
// kill it when the thread that started it ends.
class SpawnLauncher final : public Launcher {
 public:
  SpawnLauncher(Children& children, std::filesystem::path engine, EngineSettings settings = {});
  std::expected<Launched, std::string> launch(Role role, std::function<void(Exit)> ended) override;

 private:
  Children& children_;
  std::filesystem::path engine_;
  EngineSettings settings_;
};

}  // namespace pilotlight::front
