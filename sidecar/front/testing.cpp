#include "sidecar/front/testing.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <format>
#include <limits>
#include <memory>
#include <optional>
#include <thread>

#include "sidecar/wire/arena.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/load_request.h"
#include "sidecar/wire/packet.h"
#include "sidecar/wire/recheck.h"

namespace pilotlight::front::testing {

wire::Contract small_contract() {
  wire::Contract contract;
  contract.inputs = {{.name = "x", .datatype = wire::Datatype::kFp32, .shape = {{-1, 3}}, .labels = {}}};
  contract.outputs = {
      {.name = "y", .datatype = wire::Datatype::kFp32, .shape = {{-1, 3}}, .labels = {"a", "b", "c"}}};
  return contract;
}

// One scripted engine. Its thread ends when its socket is shut down.
class ScriptedLauncher::Thread final : public Process {
 public:
  Thread(ScriptedLauncher& script, Role role, wire::UniqueFd socket, std::function<void(Exit)> ended)
      : script_(script), role_(role), socket_(std::move(socket)), ended_(std::move(ended)) {
    thread_ = std::thread([this] { finish(run()); });
  }

  ~Thread() override {
    *wanted_ = false;
    kill();
    thread_.join();
  }

  void kill() override {
    killed_ = true;
    ::shutdown(socket_.get(), SHUT_RDWR);
  }

 private:
  void finish(Exit exit) {
    // Once its socket closes, the front kills whatever is left: too late to be how it died.
    if (killed_) exit = {.signal = SIGKILL};
    ::shutdown(socket_.get(), SHUT_RDWR);
    boost::asio::post(script_.io_, [ended = ended_, wanted = wanted_, exit] {
      if (*wanted) ended(exit);
    });
  }

  Exit run() {
    std::vector<std::byte> buffer(wire::kMaxPacketBytes);
    while (true) {
      auto received = wire::receive_packet(socket_.get(), buffer);
      if (!received || received->bytes == 0) return {};
      const auto packet = std::span(buffer).first(received->bytes);
      if (wire::packet_kind(packet) == wire::Kind::kLoad) {
        if (received->descriptors.size() > 1) {
          arena_.emplace(*wire::Arena::map(std::move(received->descriptors[1])));
        }
        if (const auto exit = load(*wire::load_request_from_json(*wire::packet_json(packet)))) return *exit;
      } else if (wire::packet_kind(packet) == wire::Kind::kRecheck) {
        if (const auto exit = recheck(*wire::recheck_from_json(*wire::packet_json(packet)))) return *exit;
      } else if (const auto infer = wire::parse_infer(packet)) {
        if (const auto exit = answer(*infer)) return *exit;
      }
    }
  }

  std::optional<Exit> load(const wire::LoadRequest& request) {
    const bool optimized = request.without_graphs.empty();
    switch (role_ == Role::kCheck ? script_.check.load() : script_.serve.load()) {
      case OnLoad::kFailed:
        send(wire::Kind::kFailed, script_.failure);
        return Exit{};
      case OnLoad::kDies:
        return Exit{.signal = SIGSEGV};
      case OnLoad::kKilled:
        return Exit{.signal = SIGKILL};
      case OnLoad::kSilent:
        return std::nullopt;
      case OnLoad::kViolates:
        return violate();
      case OnLoad::kViolatesSilently:
        return Exit{.signal = SIGSYS};
      case OnLoad::kBreaksDevice:
        return fail_device();
      case OnLoad::kGraphBreaksDevice:
        if (!optimized) break;
        send(wire::Kind::kProgress, {{"graph", "optimized"}, {"withinSeconds", 60}});
        return fail_device();
      case OnLoad::kGraphDies:
        if (!optimized) break;
        send(wire::Kind::kProgress, {{"graph", "optimized"}, {"withinSeconds", 60}});
        return Exit{.signal = SIGSEGV};
      case OnLoad::kGraphSilent:
        if (!optimized) break;
        send(wire::Kind::kProgress, {{"graph", "optimized"}});
        return std::nullopt;
      case OnLoad::kGraphHangs:
        if (!optimized) break;
        send(wire::Kind::kProgress, {{"graph", "optimized"}, {"withinSeconds", 0.05}});
        return std::nullopt;
      case OnLoad::kLoaded:
        break;
    }
    if (role_ == Role::kServe) send(wire::Kind::kProgress, {{"phase", "Warming"}});
    auto proof = script_.proof;
    proof["runtime"]["graph"] = optimized ? "optimized" : "frozen";
    send(wire::Kind::kLoaded, {{"proof", proof},
                               {"contract", wire::to_json(script_.contract)},
                               {"timings", {{"load", 0.25}, {"warm", 0.5}}}});
    return std::nullopt;
  }

  void send(wire::Kind kind, const nlohmann::json& document) const {
    static_cast<void>(wire::send_json(socket_.get(), kind, document));
  }

  std::optional<Exit> recheck(const wire::Recheck& asked) {
    const int bad = script_.bad_case;
    ++script_.rechecks;
    if (bad == ScriptedLauncher::kSilent) return std::nullopt;
    if (bad == ScriptedLauncher::kDies) {
      wait_for_release();
      return Exit{.signal = SIGSEGV};
    }
    wire::Rechecked answer{.id = asked.id,
                           .golden_case = std::format("case-{}", asked.golden_case),
                           .worst_error = {{"case", std::format("case-{}", asked.golden_case)},
                                           {"error", 1e-6 * asked.golden_case}},
                           .failure = {}};
    if (static_cast<int>(asked.golden_case) == bad && script_.failures_left-- > 0) {
      answer.failure = wire::Failure{.reason = "GoldenMismatch", .message = "case one: expected 3, got 2"};
    }
    send(wire::Kind::kRechecked, wire::to_json(answer));
    return std::nullopt;
  }

  void wait_for_release() const {
    while (!script_.released_ && !killed_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  Exit violate() const {
    send(wire::Kind::kViolation, {{"call", "openat"}, {"purpose", "open a file for writing"}});
    return {.code = 4};
  }

  Exit fail_device() const {
    send(wire::Kind::kFailed, {{"class", "World"}, {"reason", "DeviceFailed"}, {"message", "cuda:0: ECC"}});
    return {.code = 5};
  }

  std::optional<Exit> answer(const wire::Infer& infer) {
    ++script_.inferences;
    const auto& input = infer.tensors[0];
    const auto bytes = arena_->bytes();
    float first = 0;
    if (input.datatype == wire::Datatype::kFp32)
      std::memcpy(&first, bytes.data() + input.offset, sizeof first);
    if (script_.always != 0) first = script_.always;
    if (first == kCrash) return Exit{.signal = SIGSEGV};
    if (first == kForbidden) return violate();
    if (first == kDeviceFails) return fail_device();
    if (first == kSaysOther) {
      send(wire::Kind::kFailed, script_.failure);
      return Exit{.signal = SIGSEGV};
    }
    if (first == kHang) return std::nullopt;
    if (first == kGarbage) {
      const std::array<std::byte, 3> garbage{};
      static_cast<void>(wire::send_packet(socket_.get(), garbage));
      return std::nullopt;
    }
    if (first == kSlow || first == kSlowCrash) wait_for_release();
    if (first == kSlowCrash) return Exit{.signal = SIGSEGV};

    wire::Result result{.kind = wire::Kind::kResult,
                        .status = wire::Status::kOk,
                        .id = infer.id,
                        .compute_ns = 1000,
                        .tensor_count = 1,
                        .reserved = 0,
                        .tensors = {input}};
    auto& output = result.tensors[0];
    output.offset = infer.output_offset;
    for (std::uint64_t at = 0; at + 4 <= input.bytes; at += 4) {
      float value = 0;
      std::memcpy(&value, bytes.data() + input.offset + at, sizeof value);
      value = first == kNan ? std::numeric_limits<float>::quiet_NaN() : script_.factor * value;
      std::memcpy(bytes.data() + output.offset + at, &value, sizeof value);
    }
    if (first == kBadShape) std::swap(output.shape[0], output.shape[1]);
    if (first == kOutside) output.offset = 0;
    if (first == kThrow || first == kTooLarge) {
      result.status = first == kThrow ? wire::Status::kModelError : wire::Status::kOutputTooLarge;
      result.tensor_count = 0;
    }
    std::vector<std::string> names;
    if (script_.contract.outputs.empty()) names.assign(result.tensor_count, "y");
    static_cast<void>(wire::send_packet(socket_.get(), wire::result_bytes(result, names)));
    return std::nullopt;
  }

  ScriptedLauncher& script_;
  Role role_;
  wire::UniqueFd socket_;
  std::function<void(Exit)> ended_;
  std::shared_ptr<std::atomic<bool>> wanted_ = std::make_shared<std::atomic<bool>>(true);
  std::atomic<bool> killed_ = false;
  std::optional<wire::Arena> arena_;
  std::thread thread_;
};

std::expected<Launched, std::string> ScriptedLauncher::launch(Role role, std::function<void(Exit)> ended) {
  ++(role == Role::kCheck ? checks : serves);
  auto pair = wire::socket_pair();
  if (!pair) return std::unexpected(pair.error().message());
  ::fcntl(pair->first.get(), F_SETFL, O_NONBLOCK);
  auto thread = std::make_unique<Thread>(*this, role, std::move(pair->second), std::move(ended));
  return Launched{.socket = std::move(pair->first), .process = std::move(thread)};
}

}  // namespace pilotlight::front::testing
