#include "sidecar/engine/testing/engine_process.h"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "sidecar/wire/packet.h"
#include "sidecar/wire/recheck.h"

namespace pilotlight::engine::testing {
namespace {

constexpr std::uint64_t kArena = 1 << 20;
constexpr std::uint64_t kOutputs = kArena / 2;

wire::UniqueFd file_of(const std::string& content) {
  wire::UniqueFd fd(::memfd_create("model", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  return fd;
}

}  // namespace

EngineProcess::EngineProcess(std::vector<std::string> arguments)
    : arena_(wire::Arena::create(kArena).value()), buffer_(wire::kMaxPacketBytes) {
  auto pair = wire::socket_pair().value();
  socket_ = std::move(pair.first);
  arguments.insert(arguments.begin(), PILOTLIGHT_ENGINE);
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pair.second.get(), wire::kEngineSocket);
  EXPECT_EQ(::posix_spawn(&process_, PILOTLIGHT_ENGINE, &actions, nullptr, pointers.data(), environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
}

EngineProcess::~EngineProcess() {
  if (process_ <= 0) return;
  kill();
  ::waitpid(process_, nullptr, 0);
}

void EngineProcess::load(const std::string& file, const nlohmann::json& request, bool with_arena) {
  const wire::UniqueFd model = file_of(file);
  std::vector<int> descriptors = {model.get()};
  if (with_arena) descriptors.push_back(arena_.fd());
  ASSERT_TRUE(wire::send_json(socket_.get(), wire::Kind::kLoad, request, descriptors));
}

std::span<const std::byte> EngineProcess::next() {
  const auto received = wire::receive_packet(socket_.get(), buffer_);
  EXPECT_TRUE(received || received.error() == std::errc::connection_reset) << received.error().message();
  return std::span<const std::byte>(buffer_).first(received ? received->bytes : 0);
}

std::pair<wire::Kind, nlohmann::json> EngineProcess::verdict() {
  for (;;) {
    const auto packet = next();
    const auto kind = wire::packet_kind(packet);
    if (!kind) return {};
    auto document = wire::packet_json(packet).value();
    if (*kind != wire::Kind::kProgress) return {*kind, std::move(document)};
    if (document.contains("phase")) phases.push_back(document.at("phase"));
  }
}

void EngineProcess::send_json(wire::Kind kind, const nlohmann::json& document) {
  EXPECT_TRUE(wire::send_json(socket_.get(), kind, document));
}

nlohmann::json EngineProcess::recheck(std::uint64_t golden_case) {
  send_json(wire::Kind::kRecheck, wire::to_json(wire::Recheck{.id = 8, .golden_case = golden_case}));
  const auto packet = next();
  EXPECT_EQ(wire::packet_kind(packet), wire::Kind::kRechecked);
  return wire::packet_json(packet).value_or(nlohmann::json());
}

void EngineProcess::send(const std::vector<float>& values) {
  const std::uint64_t bytes = values.size() * sizeof(float);
  std::memcpy(arena_.bytes().data(), values.data(), bytes);
  wire::Infer infer{};
  infer.kind = wire::Kind::kInfer;
  infer.tensor_count = 1;
  infer.output_offset = kOutputs;
  infer.output_bytes = kArena - kOutputs;
  infer.tensors[0] = {.datatype = wire::Datatype::kFp32,
                      .rank = 2,
                      .shape = {1, static_cast<std::int64_t>(values.size())},
                      .offset = 0,
                      .bytes = bytes};
  EXPECT_TRUE(wire::send_packet(socket_.get(), wire::infer_bytes(infer)));
}

wire::Status EngineProcess::receive(std::vector<float>* answer) {
  const auto packet = next();
  if (wire::packet_kind(packet) != wire::Kind::kResult) {
    if (!packet.empty()) last = wire::packet_json(packet).value();
    return kNoAnswer;
  }
  const auto result = wire::parse_result(packet);
  EXPECT_TRUE(result) << result.error();
  if (result->result.status == wire::Status::kOk) {
    const wire::Tensor& tensor = result->result.tensors[0];
    EXPECT_TRUE(wire::check_tensor(tensor, kOutputs, kArena - kOutputs));
    answer->resize(tensor.bytes / sizeof(float));
    std::memcpy(answer->data(), arena_.bytes().data() + tensor.offset, answer->size() * sizeof(float));
  }
  return result->result.status;
}

wire::Status EngineProcess::infer(const std::vector<float>& values, std::vector<float>* answer) {
  send(values);
  return receive(answer);
}

wire::Status EngineProcess::infer(float value, float* answer) {
  std::vector<float> answers;
  const wire::Status status = infer(std::vector{value}, &answers);
  if (!answers.empty()) *answer = answers[0];
  return status;
}

void EngineProcess::kill() {
  ::kill(process_, SIGKILL);
}

int EngineProcess::end() {
  int status = 0;
  EXPECT_EQ(::waitpid(process_, &status, 0), process_);
  process_ = 0;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace pilotlight::engine::testing
