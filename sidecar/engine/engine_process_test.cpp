// The real binary over a real socket pair, as the front uses it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "sidecar/engine/testing/models.h"
#include "sidecar/wire/arena.h"
#include "sidecar/wire/inference.h"
#include "sidecar/wire/load_request.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::model_file;

wire::UniqueFd file_of(const std::string& content) {
  wire::UniqueFd fd(::memfd_create("model", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  return fd;
}

constexpr auto kNoAnswer = static_cast<wire::Status>(99);

class Engine {
 public:
  explicit Engine(const char* command) {
    auto pair = wire::socket_pair().value();
    socket_ = std::move(pair.first);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pair.second.get(), wire::kEngineSocket);
    const char* arguments[] = {PILOTLIGHT_ENGINE, command, nullptr};
    EXPECT_EQ(::posix_spawn(&process_, PILOTLIGHT_ENGINE, &actions, nullptr, const_cast<char**>(arguments),
                            environ),
              0);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~Engine() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void load(const std::string& file, const json& request, bool with_arena) {
    const wire::UniqueFd model = file_of(file);
    std::vector<int> descriptors = {model.get()};
    if (with_arena) descriptors.push_back(arena_.fd());
    ASSERT_TRUE(wire::send_json(socket_.get(), wire::Kind::kLoad, request, descriptors));
  }

  // The next packet; an empty one when the engine has closed its end.
  std::span<const std::byte> next() {
    const auto received = wire::receive_packet(socket_.get(), buffer_);
    EXPECT_TRUE(received || received.error() == std::errc::connection_reset) << received.error().message();
    return std::span<const std::byte>(buffer_).first(received ? received->bytes : 0);
  }

  // The first packet that is no progress.
  std::pair<wire::Kind, json> verdict() {
    for (;;) {
      const auto packet = next();
      const auto kind = wire::packet_kind(packet);
      if (!kind) return {wire::Kind{}, json()};
      auto document = wire::packet_json(packet).value();
      if (*kind != wire::Kind::kProgress) return {*kind, std::move(document)};
      phases.push_back(document.at("phase"));
    }
  }

  wire::Status infer(float value, float* answer) {
    std::memcpy(arena_.bytes().data(), &value, sizeof value);
    wire::Infer infer{};
    infer.kind = wire::Kind::kInfer;
    infer.tensor_count = 1;
    infer.output_offset = 4096;
    infer.output_bytes = 4096;
    infer.tensors[0] = {
        .datatype = wire::Datatype::kFp32, .rank = 2, .shape = {1, 1}, .offset = 0, .bytes = 4};
    EXPECT_TRUE(wire::send_packet(socket_.get(), wire::infer_bytes(infer)));
    const auto packet = next();
    if (packet.empty()) return kNoAnswer;
    const auto result = wire::parse_result(packet);
    EXPECT_TRUE(result) << result.error();
    std::memcpy(answer, arena_.bytes().data() + result->result.tensors[0].offset, sizeof *answer);
    return result->result.status;
  }

  void close() { socket_.reset(); }

  // Waits for the end: the exit code, or minus the signal.
  int end() {
    int status = 0;
    EXPECT_EQ(::waitpid(process_, &status, 0), process_);
    process_ = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

  [[nodiscard]] pid_t process() const { return process_; }

  std::vector<std::string> phases;

 private:
  wire::Arena arena_ = wire::Arena::create(8192).value();
  wire::UniqueFd socket_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(wire::kMaxPacketBytes);
  pid_t process_ = 0;
};

std::string doubling_bundle(float expected) {
  const at::Tensor one = torch::full({1, 1}, 1.0F);
  return testing::write_bundle({.model = model_file("def forward(self, x):\n    return x * 2\n"),
                                .contract = "  inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]\n"
                                            "  outputs: [{name: y, datatype: FP32, shape: [-1, 1]}]\n",
                                .cases = {{.name = "one",
                                           .inputs = {testing::plain("x", one)},
                                           .outputs = {testing::plain("y", one * expected)}}}});
}

TEST(EngineProcess, ServeLoadsProvesAnswersAndEndsCleanly) {
  Engine engine("serve");
  engine.load(doubling_bundle(2), {{"digest", "sha256:9f"}, {"runtime", {{"threads", 1}}}}, true);
  const auto [kind, document] = engine.verdict();
  ASSERT_EQ(kind, wire::Kind::kLoaded) << document;
  EXPECT_THAT(engine.phases, ::testing::ElementsAre("Loading", "Warming"));
  EXPECT_EQ(document.at("proof").at("level"), "Answers");
  EXPECT_EQ(document.at("proof").at("digest"), "sha256:9f");
  EXPECT_EQ(document.at("proof").at("runtime").at("threads"), 1);
  EXPECT_EQ(document.at("contract").at("inputs").at(0).at("name"), "x");
  EXPECT_GE(document.at("timings").at("load"), 0.0);
  for (const float value : {1.0F, -3.5F, 1e6F}) {
    float answer = 0;
    ASSERT_EQ(engine.infer(value, &answer), wire::Status::kOk);
    EXPECT_EQ(answer, value * 2);
  }
  engine.close();
  EXPECT_EQ(engine.end(), 0);
}

TEST(EngineProcess, CheckReportsAndExits) {
  Engine engine("check");
  engine.load(doubling_bundle(2), json::object(), false);
  const auto [kind, document] = engine.verdict();
  EXPECT_EQ(kind, wire::Kind::kLoaded) << document;
  EXPECT_THAT(engine.phases, ::testing::ElementsAre("Checking"));
  EXPECT_TRUE(engine.next().empty());
  EXPECT_EQ(engine.end(), 0);
}

TEST(EngineProcess, AGoldenMismatchIsReportedAndBlamedByThePin) {
  for (const bool pinned : {false, true}) {
    Engine engine("check");
    engine.load(doubling_bundle(3), {{"pinned", pinned}}, false);
    const auto [kind, document] = engine.verdict();
    ASSERT_EQ(kind, wire::Kind::kFailed) << document;
    EXPECT_EQ(document.at("class"), pinned ? "Pod" : "Revision");
    EXPECT_EQ(document.at("reason"), "GoldenMismatch");
    EXPECT_EQ(document.at("phase"), "Checking");
    EXPECT_THAT(document.at("message").get<std::string>(),
                HasSubstr("case one, output y[0,0]: expected 3, got 2"));
    EXPECT_NE(document.at("remedy"), "");
    EXPECT_TRUE(engine.next().empty());
    EXPECT_EQ(engine.end(), 1);
  }
}

TEST(EngineProcess, AMessageThatQuotesTheBundleStaysBounded) {
  Engine engine("check");
  engine.load(testing::write_bundle({.model = model_file("def forward(self, x):\n    return x * 2\n"),
                                     .contract = "  inputs: [{name: x, shape: [1], datatype: " +
                                                 std::string(300'000, 'n') + "}]\n  outputs: []\n"}),
              json::object(), false);
  const auto [kind, document] = engine.verdict();
  ASSERT_EQ(kind, wire::Kind::kFailed);
  EXPECT_EQ(document.at("reason"), "InvalidContract");
  EXPECT_LT(document.at("message").get<std::string>().size(), 2100U);
}

TEST(EngineProcess, AModelThatCrashesEndsTheEngineAndNothingElse) {
  // Writes far outside of its tensor: LibTorch has operators that check nothing.
  Engine engine("serve");
  engine.load(
      model_file("def forward(self, x):\n"
                 "    where = torch.full([1, 1], 1000000000000, dtype=4)\n"
                 "    return torch._sparse_coo_tensor_unsafe(where, torch.ones([1]), [2]).to_dense() + x\n"),
      json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  float answer = 0;
  EXPECT_EQ(engine.infer(1, &answer), kNoAnswer);
  EXPECT_EQ(engine.end(), -SIGSEGV);
}

TEST(EngineProcess, AFrontThatGoesAwayBeforeTheModelCameIsNoError) {
  Engine engine("check");
  engine.close();
  EXPECT_EQ(engine.end(), 0);
}

TEST(EngineProcess, AFirstPacketThatIsNoLoadEndsIt) {
  Engine engine("serve");
  engine.load(doubling_bundle(2), json::object(), false);  // no arena
  EXPECT_TRUE(engine.next().empty());
  EXPECT_EQ(engine.end(), 2);
}

TEST(EngineProcess, LeavesCrashesToTheKernel) {
  Engine engine("serve");
  engine.load(doubling_bundle(2), json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  // LibTorch's dependencies install handlers that would print and hang on.
  std::ifstream status("/proc/" + std::to_string(engine.process()) + "/status");
  unsigned long caught = ~0UL;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigCgt:")) caught = std::stoul(line.substr(8), nullptr, 16);
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTERM}) {
    EXPECT_EQ(caught & (1UL << (signal - 1)), 0U) << signal;
  }
}

}  // namespace
}  // namespace pilotlight::engine
