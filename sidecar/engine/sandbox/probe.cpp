#include "sidecar/engine/sandbox/probe.h"

#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "sidecar/engine/sandbox/violation.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::engine::sandbox::testing {
namespace {

constexpr int kNotEntered = 255;

}  // namespace

Outcome returned(int code) {
  return {.call = "", .purpose = "", .exit = code, .signal = 0};
}

Outcome violation(std::string call, std::string purpose) {
  return {.call = std::move(call), .purpose = std::move(purpose), .exit = kViolationExit, .signal = 0};
}

void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << '"' << outcome.call << "\" to " << outcome.purpose << ", exit " << outcome.exit << ", signal "
       << outcome.signal;
}

Outcome attempt(const std::function<int()>& attempt, Options options, const std::function<void()>& before) {
  auto pair = wire::socket_pair().value();
  const pid_t child = ::fork();
  if (child == 0) {
    pair.first.reset();
    if (before) before();
    options.socket = pair.second.get();
    if (!enter(options)) ::_exit(kNotEntered);
    ::_exit(attempt());
  }
  pair.second.reset();
  Outcome outcome;
  std::vector<std::byte> buffer(wire::kMaxPacketBytes);
  const auto received = wire::receive_packet(pair.first.get(), buffer);
  const auto packet = std::span<const std::byte>(buffer).first(received ? received->bytes : 0);
  if (wire::packet_kind(packet) == wire::Kind::kViolation) {
    const auto document = wire::packet_json(packet).value();
    outcome.call = document.at("call");
    outcome.purpose = document.at("purpose");
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  if (WIFEXITED(status)) outcome.exit = WEXITSTATUS(status);
  return outcome;
}

}  // namespace pilotlight::engine::sandbox::testing
