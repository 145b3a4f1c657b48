// Whatever an engine may send: malformed packets end it, and an answer is rendered only if its outputs are
// what the contract says, inside its own region.

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/log/log.h"
#include "sidecar/front/answer.h"
#include "sidecar/front/engine.h"
#include "sidecar/front/request_fuzz.h"
#include "sidecar/front/status.h"
#include "sidecar/wire/failure.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::fuzz {
namespace {

constexpr std::uint64_t kOutputBytes = 1 << 14;
constexpr std::size_t kMostAnswer = 64 * kOutputBytes;

// An engine of which there is only the other end of its socket.
class SocketLauncher final : public front::Launcher {
 public:
  std::expected<front::Launched, std::string> launch(front::Role, std::function<void(front::Exit)>) override {
    auto pair = wire::socket_pair();
    if (!pair) return std::unexpected(pair.error().message());
    ::fcntl(pair->first.get(), F_SETFL, O_NONBLOCK);
    theirs = std::move(pair->second);
    return front::Launched{.socket = std::move(pair->first), .process = std::make_unique<Nothing>()};
  }

  wire::UniqueFd theirs;

 private:
  class Nothing final : public front::Process {
    void kill() override {}
  };
};

// Deadlines are not of interest here.
class NoTimers final : public front::Timers {
 public:
  Clock::time_point now() const override { return {}; }
  std::chrono::system_clock::time_point wall() const override { return {}; }
  Handle after(std::chrono::duration<double>, std::function<void()>) override {
    return std::make_shared<int>();
  }
};

front::Inputs some_input(front::ArenaHeap& heap) {
  auto block = heap.allocate(12);
  front::Inputs inputs;
  inputs.tensors.push_back({.datatype = wire::Datatype::kFp32,
                            .rank = 2,
                            .shape = {1, 3},
                            .offset = block->offset(),
                            .bytes = 12});
  inputs.blocks.push_back(*std::move(block));
  return inputs;
}

void check_body(const http::Response& response) {
  require(response.body.size() <= kMostAnswer, "an answer is not much larger than the outputs' region");
  const auto binary = std::ranges::find(response.fields, "inference-header-content-length",
                                        &std::pair<std::string, std::string>::first);
  const auto json_bytes = binary == response.fields.end() ? response.body.size() : std::stoul(binary->second);
  require(nlohmann::json::accept(response.body.substr(0, json_bytes)), "an answer is JSON");
}

void check_answer(const front::Answer& answer, const wire::Contract& contract) {
  if (answer.outcome != front::Outcome::kOk) {
    require(answer.outputs.empty(), "a failure brings no outputs");
    return check_body(front::failure_answer(answer.outcome, "id"));
  }
  const auto region = arena().bytes();
  for (const auto& output : answer.outputs) {
    require(output.bytes.data() >= region.data() + kArenaBytes - 2 * kOutputBytes &&
                output.bytes.data() + output.bytes.size() <= region.data() + kArenaBytes,
            "an output lies in the outputs' region");
  }
  check_body(front::infer_answer({.id = "i", .inputs = {}, .outputs = {}, .binary_default = false}, answer,
                                 "m", "v"));
  check_body(
      front::infer_answer({.id = {}, .inputs = {}, .outputs = {}, .binary_default = true}, answer, "m", "v"));
  check_body(front::predict_answer(true, answer, contract));
  check_body(front::predict_answer(false, answer, contract));
}

// As the front keeps it, and shows it at its admin port.
void check_document(const nlohmann::json& document) {
  front::Status status;
  if (const auto contract = wire::contract_from_json(document, false)) status.contract = *contract;
  status.proof = document;
  status.failure = wire::failure_from_json(document);
  require(nlohmann::json::accept(front::status_document(status, {}).dump()), "the status is JSON");
}

const wire::Contract& labelled_contract() {
  static const wire::Contract kContract = [] {
    wire::Contract contract;
    contract.inputs = {spec("x", wire::Datatype::kFp32, {{-1, 3}})};
    contract.outputs = {spec("y", wire::Datatype::kFp32, {{-1, 2}}), spec("z", {}, {})};
    contract.outputs[0].labels = {"a", "b"};
    return contract;
  }();
  return kContract;
}

}  // namespace

// The first byte chooses the contract; then packets, parted by two separators.
void run(std::string_view input) {
  static const bool kQuiet = [] {
    // A malformed packet is logged, each with a line.
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    return true;
  }();
  static_cast<void>(kQuiet);
  if (input.empty()) return;
  const auto& contract = input.front() == 'l' ? labelled_contract() : chosen_contract(input.front());
  input.remove_prefix(1);

  boost::asio::io_context io;
  NoTimers timers;
  SocketLauncher launcher;
  front::Inferences inferences(arena(), kOutputBytes, timers, {}, [](front::Patience::Seconds) {});
  std::size_t answers = 0;
  front::EngineEvents events;
  events.progress = events.loaded = events.failed = check_document;
  events.result = [&](const wire::ParsedResult& result) { inferences.result(result); };
  events.rechecked = [&](const wire::Rechecked& result) { inferences.rechecked(result); };
  auto engine = front::Engine::start(io, launcher, front::Role::kServe, std::move(events));
  require(engine.has_value(), "an engine starts");
  inferences.serve_with(**engine, contract, front::Patience(std::chrono::seconds(30)));
  for (int i = 0; i < 3; ++i) {
    inferences.submit(some_input(inferences.heap()), front::Timers::Clock::time_point::max(),
                      [&](const front::Answer& answer) {
                        ++answers;
                        check_answer(answer, contract);
                      });
  }
  std::size_t rechecks = 0;
  inferences.recheck(0, [&](const wire::Rechecked*) { ++rechecks; });
  constexpr std::string_view kBetween = "\x1e\x1e";
  while (!input.empty()) {
    const auto end = input.find(kBetween);
    std::ignore = wire::send_packet(launcher.theirs.get(), bytes(input.substr(0, end)));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + kBetween.size());
    io.poll();
    io.restart();
  }
  const auto before = answers;
  inferences.lost(front::EngineEnd::kCrashed);
  require(before + inferences.waiting() <= 3 && answers + inferences.waiting() == 3,
          "each inference is answered once, or waits for the next engine");
  require(rechecks == 1, "a re-check is answered once, or lost with the engine");
}

std::vector<std::string> seeds() {
  const auto text = [](std::span<const std::byte> all) {
    return std::string(reinterpret_cast<const char*>(all.data()), all.size());
  };
  const auto control = [](wire::Kind kind, std::string_view document) {
    std::string packet(sizeof kind, '\0');
    std::memcpy(packet.data(), &kind, sizeof kind);
    return packet.append(document);
  };
  const auto tensor = [](wire::Datatype type, std::vector<std::int64_t> shape, std::uint64_t place) {
    wire::Tensor out{.datatype = type,
                     .rank = static_cast<std::uint32_t>(shape.size()),
                     .shape = {},
                     .offset = kArenaBytes - 2 * kOutputBytes + place,
                     .bytes = wire::byte_count(type, shape).value_or(0)};
    std::ranges::copy(shape, out.shape);
    return out;
  };
  const auto result = [&](std::uint64_t id, std::vector<wire::Tensor> tensors,
                          std::vector<std::string> names = {}) {
    wire::Result out{.kind = wire::Kind::kResult,
                     .status = wire::Status::kOk,
                     .id = id,
                     .compute_ns = 1,
                     .tensor_count = static_cast<std::uint32_t>(tensors.size()),
                     .reserved = 0,
                     .tensors = {}};
    std::ranges::copy(tensors, out.tensors);
    return text(wire::result_bytes(out, names));
  };
  using enum wire::Datatype;
  const std::string between = "\x1e\x1e";
  return {"0" + result(1, {tensor(kFp32, {1, 2}, 0)}) + between +
              result(2, {tensor(kFp32, {1, 2}, kOutputBytes)}) + between + result(3, {}),
          "l" + result(1, {tensor(kFp32, {4, 2}, 0), tensor(kBool, {2, 2, 2}, 64)}),
          "2" + result(1, {tensor(kFp16, {2}, 0), tensor(kInt64, {}, 8)}, {"a", "b\xff"}),
          "2" + result(1, {tensor(kBf16, {3, 0}, 0)}, {"a"}),
          "5" + result(1, {tensor(kInt8, {2, 0}, 0)}),
          "0" + control(wire::Kind::kProgress, R"({"phase":"Warming"})") + between +
              control(wire::Kind::kFailed,
                      R"({"class":"Revision","reason":"a","phase":"b","message":"c","remedy":"d"})"),
          "0" + control(wire::Kind::kLoaded,
                        R"({"proof":{"level":"Answers"},"inputs":[{"name":"x"}],"outputs":[]})"),
          "0" + result(1, {tensor(kFp32, {1, 2}, 0)}) + between +
              control(wire::Kind::kRechecked, R"({"id":4,"case":"a","worstError":{"error":1e-7}})"),
          "0" + control(wire::Kind::kLoaded,
                        R"({"proof":)" + std::string(30000, '[') + std::string(30000, ']') + "}")};
}

}  // namespace pilotlight::fuzz
