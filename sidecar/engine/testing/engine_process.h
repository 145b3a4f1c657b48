#pragma once

#include <sys/types.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/wire/arena.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/messages.h"

namespace pilotlight::engine::testing {

// The status of an inference whose engine closed its end instead of answering.
inline constexpr auto kNoAnswer = static_cast<wire::Status>(99);

// The real program, and the front's side of its socket. Destruction kills it.
class EngineProcess {
 public:
  // With arguments such as {"--threads=4", "serve"}.
  explicit EngineProcess(std::vector<std::string> arguments);
  ~EngineProcess();
  EngineProcess(const EngineProcess&) = delete;
  EngineProcess& operator=(const EngineProcess&) = delete;

  void load(const std::string& file, const nlohmann::json& request, bool with_arena);

  // The next packet; an empty one when the engine has closed its end.
  std::span<const std::byte> next();

  // The first packet that is no progress; a kind that is none when the engine has closed its end.
  std::pair<wire::Kind, nlohmann::json> verdict();

  void send_json(wire::Kind kind, const nlohmann::json& document);

  // Has it run a golden case again: the answer's document.
  nlohmann::json recheck(std::uint64_t golden_case);

  // An inference on one FP32 tensor of [1, n]; `answer` takes the first output.
  wire::Status infer(const std::vector<float>& values, std::vector<float>* answer);
  wire::Status infer(float value, float* answer);
  // The two halves of it.
  void send(const std::vector<float>& values);
  wire::Status receive(std::vector<float>* answer);

  void close() { socket_.reset(); }

  // Waits for the end: the exit code, or minus the signal.
  int end();
  void kill();

  [[nodiscard]] pid_t process() const { return process_; }

  std::vector<std::string> phases;  // that verdict() passed over
  nlohmann::json last;              // the document of the packet that was received in an answer's place

 private:
  wire::Arena arena_;
  wire::UniqueFd socket_;
  std::vector<std::byte> buffer_;
  pid_t process_ = 0;
};

}  // namespace pilotlight::engine::testing
