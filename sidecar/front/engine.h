#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "sidecar/front/launcher.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/load_request.h"
#include "sidecar/wire/messages.h"
#include "sidecar/wire/recheck.h"

namespace pilotlight::front {

// What an engine tells. `exited` comes once and last; nothing comes after the Engine's destruction.
struct EngineEvents {
  std::function<void(const nlohmann::json&)> progress;
  std::function<void(const nlohmann::json&)> loaded;
  std::function<void(const nlohmann::json&)> failed;
  std::function<void(const nlohmann::json&)> violation;
  std::function<void(const wire::ParsedResult&)> result;
  std::function<void(const wire::Rechecked&)> rechecked;
  std::function<void(Exit)> exited;
};

// One engine process, from its start to its end. An engine that breaks the protocol is killed. Runs on the
// loop's thread; destruction kills the process.
class Engine {
 public:
  static std::expected<std::unique_ptr<Engine>, std::string> start(boost::asio::io_context& io,
                                                                   Launcher& launcher, Role role,
                                                                   EngineEvents events);
  ~Engine();

  // Hands the model over. False when the engine is not there to take it; `exited` then follows.
  bool load(const wire::LoadRequest& request, std::span<const int> descriptors);
  // False when the socket is full or the engine gone: try again when a result has come.
  bool infer(const wire::Infer& infer);
  bool recheck(const wire::Recheck& recheck);
  void kill();

 private:
  struct Alive;

  Engine(boost::asio::io_context& io, EngineEvents events);
  void wait();
  void drain();
  void packet(std::span<const std::byte> bytes);
  void ended(Exit exit);

  EngineEvents events_;
  boost::asio::posix::stream_descriptor socket_;
  std::unique_ptr<Process> process_;
  std::vector<std::byte> buffer_;
  std::shared_ptr<Alive> alive_;  // tells a callback that the engine was destroyed by the one before
};

}  // namespace pilotlight::front
