// State × kill: what is ended in each phase of a pod's life, what is reported afterwards, what is done again,
// and what becomes of the requests.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <chrono>
#include <format>
#include <future>
#include <memory>

#include "sidecar/engine/kills/pod.h"
#include "sidecar/engine/kills/store.h"
#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using http::testing::RawClient;
using nlohmann::json;
using testing::Models;
using testing::Pod;
using ::testing::StartsWith;
using testing::Store;

// Twice its input; and it prints more than anybody's pipe holds with two rows (the golden case), with five (a
// request) and with seven (warming up), so that a test can hold it there.
std::string bundle(float factor) {
  const at::Tensor two = torch::ones({2, 1});
  return testing::write_bundle({.model = testing::model_file("def forward(self, x):\n"
                                                             "    rows = x.size(0)\n"
                                                             "    if rows == 2 or rows == 5 or rows == 7:\n"
                                                             "        print(\"\".ljust(20000))\n"
                                                             "    return x * 2\n"),
                                .contract = "  inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]\n"
                                            "  outputs: [{name: y, datatype: FP32, shape: [-1, 1]}]\n",
                                .cases = {{.name = "two",
                                           .inputs = {testing::plain("x", two)},
                                           .outputs = {testing::plain("y", two * factor)}}}});
}

enum class State {
  kStarting,
  kFetching,
  kChecking,
  kLoading,
  kWarming,
  kReady,
  kInFlight,
  kDraining,
  kFailed,
  kRetrying
};
constexpr const char* kStates[] = {"Starting", "Fetching", "Checking", "Loading", "Warming",
                                   "Ready",    "InFlight", "Draining", "Failed",  "Retrying"};

enum class Kill { kFront, kEngine, kContainer };
constexpr const char* kKills[] = {"Front", "Engine", "Container"};

struct Cell {
  State state;
  Kill kill;
  const char* last_words;  // the termination message begins so; "": there is none
  const char* last_exit;   // engine.lastExit afterwards
  const char* failure;     // "reason in phase", as long as it is not overcome
  int attempt;
  // What the front goes through from there on: the one started in place of that which was killed, or the
  // same.
  std::vector<std::string> phases;
  std::vector<std::string>
      fetches;  // all that the store has been asked for in the end; "rest": from the middle
};

const std::vector<std::string> kFromTheFile = {"Fetching", "Checking", "Loading", "Warming", "Ready"};
const std::vector<std::string> kFromTheVerdict = {"Fetching", "Loading", "Warming", "Ready"};
const std::vector<std::string> kOnce = {"whole"};

// As many as there were fetches until then; and those after the first, however many.
constexpr int kAsOften = 0;
const std::vector<std::string> kAgain = {"whole", "again"};

// clang-format off
const Cell kCells[] = {
    // The front is gone, and its engines with it.
    {State::kStarting, Kill::kFront,     "",                     "",                                   "", 1, kFromTheFile, kOnce},
    {State::kStarting, Kill::kContainer, "",                     "",                                   "", 1, kFromTheFile, kOnce},
    {State::kFetching, Kill::kFront,     "ended while Fetching", "the container ended while Fetching", "", 1, kFromTheFile, {"whole", "rest"}},
    {State::kFetching, Kill::kContainer, "ended while Fetching", "the container ended while Fetching", "", 1, kFromTheFile, {"whole", "rest"}},
    {State::kChecking, Kill::kFront,     "ended while Checking", "the container ended while Checking", "", 1, kFromTheFile, kOnce},
    {State::kChecking, Kill::kContainer, "ended while Checking", "the container ended while Checking", "", 1, kFromTheFile, kOnce},
    {State::kLoading,  Kill::kFront,     "ended while Loading",  "the container ended while Loading",  "", 1, kFromTheVerdict, kOnce},
    {State::kLoading,  Kill::kContainer, "ended while Loading",  "the container ended while Loading",  "", 1, kFromTheVerdict, kOnce},
    {State::kWarming,  Kill::kFront,     "ended while Warming",  "the container ended while Warming",  "", 1, kFromTheVerdict, kOnce},
    {State::kWarming,  Kill::kContainer, "ended while Warming",  "the container ended while Warming",  "", 1, kFromTheVerdict, kOnce},
    {State::kReady,    Kill::kFront,     "",                     "the container ended while Ready",    "", 1, kFromTheVerdict, kOnce},
    {State::kReady,    Kill::kContainer, "",                     "the container ended while Ready",    "", 1, kFromTheVerdict, kOnce},
    {State::kInFlight, Kill::kFront,     "",                     "the container ended while Ready",    "", 1, kFromTheVerdict, kOnce},
    {State::kInFlight, Kill::kContainer, "",                     "the container ended while Ready",    "", 1, kFromTheVerdict, kOnce},
    {State::kDraining, Kill::kFront,     "",                     "",                                   "", 1, kFromTheVerdict, kOnce},
    {State::kDraining, Kill::kContainer, "",                     "",                                   "", 1, kFromTheVerdict, kOnce},
    {State::kFailed,   Kill::kFront,     "GoldenMismatch: ",     "", "GoldenMismatch in Checking", 1, {"Failed"}, kOnce},
    {State::kFailed,   Kill::kContainer, "GoldenMismatch: ",     "", "GoldenMismatch in Checking", 1, {"Failed"}, kOnce},
    {State::kRetrying, Kill::kFront,     "NotFound: ",           "the container ended while Retrying", "", kAsOften, kFromTheFile, kAgain},
    {State::kRetrying, Kill::kContainer, "NotFound: ",           "the container ended while Retrying", "", kAsOften, kFromTheFile, kAgain},
    // The engine alone is gone, and another has begun. In Starting and in Failed there is none.
    {State::kFetching, Kill::kEngine, "ended while Checking", "", "", 1, {"Checking", "Loading", "Warming", "Ready"}, kOnce},
    {State::kChecking, Kill::kEngine, "ended while Checking", "signal 9 (Killed)", "OutOfMemory in Checking", 2, {"Retrying", "Checking", "Loading", "Warming", "Ready"}, kOnce},
    {State::kLoading,  Kill::kEngine, "ended while Loading",  "signal 9 (Killed)", "OutOfMemory in Loading", 1, {"Retrying", "Loading", "Warming", "Ready"}, kOnce},
    {State::kWarming,  Kill::kEngine, "ended while Loading",  "signal 9 (Killed)", "OutOfMemory in Warming", 1, {"Retrying", "Loading", "Warming", "Ready"}, kOnce},
    {State::kReady,    Kill::kEngine, "ended while Loading",  "signal 9 (Killed)", "EngineCrashed in Ready", 1, {"Loading", "Warming", "Ready"}, kOnce},
    {State::kInFlight, Kill::kEngine, "ended while Loading",  "signal 9 (Killed)", "EngineCrashed in Ready", 1, {"Loading", "Warming", "Ready"}, kOnce},
    {State::kDraining, Kill::kEngine, "",                     "signal 9 (Killed)", "EngineCrashed in Draining", 1, {}, kOnce},
    {State::kRetrying, Kill::kEngine, "ended while Checking", "", "NotFound in Fetching", kAsOften, {"Fetching", "Checking", "Loading", "Warming", "Ready"}, kAgain},
};
// clang-format on

void PrintTo(const Cell& cell, std::ostream* out) {
  *out << kStates[static_cast<int>(cell.state)] << kKills[static_cast<int>(cell.kill)];
}

// Is sent without waiting for its answer.
class Request {
 public:
  Request(std::uint16_t port, int rows) : client_(port) {
    const json body = {{"inputs",
                        {{{"name", "x"},
                          {"datatype", "FP32"},
                          {"shape", {rows, 1}},
                          {"data", std::vector<float>(static_cast<std::size_t>(rows), 1)}}}}};
    const std::string text = body.dump();
    client_.send(
        std::format("POST /v2/models/model/infer HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    text.size(), text));
  }
  // 0: the connection has ended.
  int status() { return client_.read().status; }

 private:
  RawClient client_;
};

class KillMatrix : public ::testing::TestWithParam<Cell> {
 protected:
  void bring_to(State state);
  void end(const Cell& cell);
  void expect_report(const Cell& cell, const json& now) const;
  void expect_last_words(const Cell& cell) const;
  [[nodiscard]] std::vector<std::string> fetches() const;
  void submit();
  void expect_answers_after_the_engine();
  void start_pod() {
    pod_ = std::make_unique<Pod>(json{{"apiVersion", "sidecar.pilotlight.dev/v1alpha1"},
                                      {"name", "model"},
                                      {"namespace", "test"},
                                      {"revision", "r1"},
                                      {"model", {{"uri", store_->uri()}}},
                                      {"warmup", {{"batchSizes", {7}}}},
                                      {"runtime", {{"threads", 1}, {"graph", "plain"}}}});
  }

  std::unique_ptr<Store> store_;
  std::unique_ptr<Pod> pod_;
  // Of five rows, which the engine stands still at; one that it has in hand as well; one that waits.
  std::vector<std::unique_ptr<Request>> requests_;
  std::size_t phases_before_ = 0;
};

void KillMatrix::bring_to(State state) {
  store_ = std::make_unique<Store>(bundle(state == State::kFailed ? 3 : 2));
  start_pod();
  if (state == State::kStarting) {
    pod_->start(Pod::Until::kBefore);
    EXPECT_TRUE(pod_->engines().empty());
    return;
  }
  if (state == State::kFetching) store_->hold();
  if (state == State::kRetrying) store_->remove();
  pod_->start();
  switch (state) {
    case State::kStarting:
      break;
    case State::kFetching:
      pod_->await([&](const json& now) { return now["bytesFetched"] == store_->half(); },
                  "half of it is there");
      break;
    case State::kRetrying:
      pod_->freeze_in("Retrying");
      store_->upload();
      break;
    case State::kFailed:
      pod_->await_phase("Failed", Models::kGoOn);
      pod_->await_that([&] { return pod_->engines().empty(); }, "a final failure leaves no engine");
      break;
    case State::kChecking:
    case State::kLoading:
    case State::kWarming:
    case State::kReady:
      pod_->await_phase(kStates[static_cast<int>(state)], Models::kGoOn);
      break;
    case State::kInFlight:
    case State::kDraining:
      pod_->await_phase("Ready", Models::kGoOn);
      submit();
      if (state == State::kInFlight) break;
      pod_->terminate();
      pod_->await_phase("Draining");
      break;
  }
}

void KillMatrix::submit() {
  const auto arrived = [&](double in_flight, double waiting) {
    pod_->await_that(
        [&] {
          return pod_->metric("pilotlight_inferences_in_flight") == in_flight &&
                 pod_->metric("pilotlight_queue_depth") == waiting;
        },
        "the request has arrived");
  };
  requests_.push_back(std::make_unique<Request>(pod_->port(), 5));
  arrived(1, 0);
  requests_.push_back(std::make_unique<Request>(pod_->port(), 1));
  arrived(2, 0);
  requests_.push_back(std::make_unique<Request>(pod_->port(), 1));
  arrived(2, 1);
}

void KillMatrix::end(const Cell& cell) {
  phases_before_ = pod_->phases().size();
  switch (cell.kill) {
    case Kill::kFront:
      pod_->kill_front();
      break;
    case Kill::kContainer:
      pod_->kill_container();
      break;
    case Kill::kEngine: {
      const bool unchecked =
          cell.state == State::kFetching || cell.state == State::kChecking || cell.state == State::kRetrying;
      pod_->kill_engine(unchecked ? "check" : "serve");
      if (cell.state == State::kRetrying) pod_->thaw();
      break;
    }
  }
}

std::vector<std::string> KillMatrix::fetches() const {
  std::vector<std::string> all;
  for (const std::string& each : store_->requests()) {
    const bool again = each == "whole" && !all.empty();
    if (again && all.back() == "again") continue;
    all.push_back(each == std::format("from {}", store_->half()) ? "rest" : again ? "again" : each);
  }
  return all;
}

void KillMatrix::expect_report(const Cell& cell, const json& now) const {
  EXPECT_EQ(now["engine"]["lastExit"], cell.last_exit);
  EXPECT_EQ(now["attempt"], cell.attempt == kAsOften ? store_->requests().size() : cell.attempt);
  const auto failure = now.value("failure", json::object());
  EXPECT_EQ(failure.empty() ? ""
                            : std::format("{} in {}", failure["reason"].get<std::string>(),
                                          failure["phase"].get<std::string>()),
            cell.failure);
}

class AFrontThatIsGone : public KillMatrix {};

TEST_P(AFrontThatIsGone, TellsWhereItWasAndTheNextOneGoesOnFromThere) {
  const Cell& cell = GetParam();
  bring_to(cell.state);
  end(cell);
  expect_last_words(cell);
  for (const auto& request : requests_) EXPECT_EQ(request->status(), 0) << "it was that front's, and hangs";

  store_->go_on();
  pod_->start();
  const json now = pod_->await_phase(cell.state == State::kFailed ? "Failed" : "Ready", Models::kGoOn);
  expect_report(cell, now);
  EXPECT_EQ(pod_->phases(), cell.phases);
  EXPECT_EQ(fetches(), cell.fetches);
  EXPECT_EQ(now["final"], cell.state == State::kFailed);
  EXPECT_EQ(pod_->engines().contains("check"), false);
  if (cell.state != State::kFailed) {
    EXPECT_EQ(Request(pod_->port(), 1).status(), 200);
    EXPECT_EQ(pod_->last_words(), "");
  }
}

class AnEngineThatIsGone : public KillMatrix {};

TEST_P(AnEngineThatIsGone, IsReportedAndTheNextOneGoesOnFromThere) {
  const Cell& cell = GetParam();
  bring_to(cell.state);
  end(cell);
  store_->go_on();
  if (cell.state == State::kFetching || cell.state == State::kRetrying) {
    expect_report(cell, pod_->await_phase("Checking"));
  } else {
    // Its successor prints and is held, so that this can be seen.
    expect_report(cell, pod_->await(
                            [&](const json& now) {
                              return now["engine"]["lastExit"] == cell.last_exit &&
                                     now["attempt"] == cell.attempt && pod_->engines().size() > 0;
                            },
                            "its end is reported"));
  }
  expect_last_words(cell);
  if (cell.state == State::kDraining) {
    // The front lives until the requests are answered, and then ends as it was told to.
    expect_answers_after_the_engine();
    EXPECT_EQ(pod_->end(), 0);
    EXPECT_EQ(pod_->last_words(), "");
    return;
  }
  const json now = pod_->await_phase("Ready", Models::kGoOn);
  expect_answers_after_the_engine();
  EXPECT_FALSE(now.contains("failure"));
  EXPECT_EQ(pod_->last_words(), "");
  auto phases = pod_->phases();
  phases.erase(phases.begin(), phases.begin() + static_cast<std::ptrdiff_t>(phases_before_));
  EXPECT_EQ(phases, cell.phases);
  EXPECT_EQ(fetches(), cell.fetches);
  EXPECT_EQ(Request(pod_->port(), 1).status(), 200);
}

// What it was at is lost with it; what it had not begun, and what waited, is answered by the next.
void KillMatrix::expect_answers_after_the_engine() {
  if (requests_.empty()) return;
  auto answers = std::async(std::launch::async, [this] {
    std::vector<int> statuses;
    for (const auto& request : requests_) statuses.push_back(request->status());
    return statuses;
  });
  pod_->await_that(
      [&] {
        pod_->let_print();
        return answers.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
      },
      "answers");
  EXPECT_THAT(answers.get(), ::testing::ElementsAre(503, 200, 200));
}

void KillMatrix::expect_last_words(const Cell& cell) const {
  EXPECT_THAT(pod_->last_words(), StartsWith(cell.last_words));
  EXPECT_EQ(pod_->last_words().empty(), *cell.last_words == '\0') << pod_->last_words();
}

std::vector<Cell> cells(bool engine) {
  std::vector<Cell> result;
  for (const Cell& cell : kCells) {
    if ((cell.kill == Kill::kEngine) == engine) result.push_back(cell);
  }
  return result;
}

std::string name_of(const ::testing::TestParamInfo<Cell>& cell) {
  return ::testing::PrintToString(cell.param);
}

INSTANTIATE_TEST_SUITE_P(KillMatrix, AFrontThatIsGone, ::testing::ValuesIn(cells(false)), name_of);
INSTANTIATE_TEST_SUITE_P(KillMatrix, AnEngineThatIsGone, ::testing::ValuesIn(cells(true)), name_of);

}  // namespace
}  // namespace pilotlight::engine
