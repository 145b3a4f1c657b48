#include "operator/kube/events.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "common/time/fake_clock.h"
#include "operator/kube/client.h"
#include "operator/kube/metrics.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const Resource kEvents{"events.k8s.io", "v1", "events", "Event", true};

EventNote Note(const std::string& note = "it broke", const std::string& uid = "u") {
  return {.regarding = {"pilotlight.dev/v1alpha1", "ModelDeployment", {"ns", "digits"}, uid},
          .severity = Severity::Warning,
          .reason = "GoldenMismatch",
          .action = "Validate",
          .note = note};
}

class EventsTest : public testing::Test {
 protected:
  EventsTest() : runner_([this](const std::stop_token& stop) { recorder_.Run(stop); }) {}

  std::vector<HttpRequest> Sent(std::size_t count) {
    for (int i = 0; i < 5000 && transport_.requests().size() < count; ++i) {
      std::this_thread::sleep_for(1ms);
      clock_.Advance(step_);
    }
    EXPECT_EQ(transport_.requests().size(), count);
    return transport_.requests();
  }
  void Stop() {
    runner_.request_stop();
    runner_.join();
  }

  Clock::Duration step_{0};
  std::function<Result<HttpResponse>(const HttpRequest&)> answer_ =
      [](const HttpRequest&) -> Result<HttpResponse> {
    return HttpResponse{201, R"({"metadata":{"name":"e","uid":"x","resourceVersion":"1"}})"};
  };
  FakeClock clock_;
  Metrics metrics_;
  ScriptedTransport transport_{[this](const HttpRequest& request) { return answer_(request); }};
  Client client_{transport_};
  EventRecorder recorder_{client_, kEvents, "pilotlight.dev/operator", "pod-1", clock_, metrics_};
  std::jthread runner_;
};

TEST_F(EventsTest, IsWrittenAsTheApiWantsIt) {
  recorder_.Record(Note());
  const auto requests = Sent(1);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].target, "/apis/events.k8s.io/v1/namespaces/ns/events?fieldManager=pilotlight");
  json event = json::parse(requests[0].body);
  EXPECT_TRUE(event["metadata"]["name"].get<std::string>().starts_with("digits."));
  event["metadata"].erase("name");
  EXPECT_EQ(event,
            json::parse(R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"namespace":"ns"},
    "eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"pilotlight.dev/operator",
    "reportingInstance":"pod-1","type":"Warning","reason":"GoldenMismatch","action":"Validate","note":"it broke",
    "regarding":{"apiVersion":"pilotlight.dev/v1alpha1","kind":"ModelDeployment","namespace":"ns","name":"digits",
                 "uid":"u"}})"));
}

TEST_F(EventsTest, TheSameAgainIsASeriesOnTheSameEvent) {
  recorder_.Record(Note());
  Sent(1);
  recorder_.Record(Note());
  Sent(2);
  recorder_.Record(Note());
  const auto requests = Sent(3);
  EXPECT_EQ(requests[2].method, "PATCH");
  EXPECT_EQ(json::parse(requests[2].body)["series"]["count"], 3);
  const std::string name = json::parse(requests[0].body)["metadata"]["name"];
  EXPECT_TRUE(requests[2].target.contains("/events/" + name + "?")) << requests[2].target;
}

TEST_F(EventsTest, AnotherNoteOrObjectOrALongPauseIsAnotherEvent) {
  recorder_.Record(Note("one"));
  Sent(1);
  recorder_.Record(Note("two"));
  Sent(2);
  recorder_.Record(Note("two", "u2"));
  Sent(3);
  clock_.Advance(6min + 1s);
  recorder_.Record(Note("two", "u2"));
  for (const auto& request : Sent(4)) EXPECT_EQ(request.method, "POST");
}

TEST_F(EventsTest, ASeriesWhoseEventIsGoneBeginsAnew) {
  recorder_.Record(Note());
  Sent(1);
  answer_ = [](const HttpRequest& request) -> Result<HttpResponse> {
    if (request.method == "PATCH") return std::unexpected(StatusError(404, "NotFound"));
    return HttpResponse{201, R"({"metadata":{"name":"e"}})"};
  };
  recorder_.Record(Note());
  EXPECT_EQ(Sent(3)[2].method, "POST");
}

TEST_F(EventsTest, WhatMayHaveFailedIsTriedAgainUnderTheSameName) {
  int calls = 0;
  answer_ = [&](const HttpRequest&) -> Result<HttpResponse> {
    if (++calls == 1) return std::unexpected(Error{.code = ErrorCode::Transport});
    return std::unexpected(StatusError(409, "AlreadyExists"));
  };
  step_ = 100ms;
  recorder_.Record(Note());
  const auto requests = Sent(2);
  EXPECT_EQ(json::parse(requests[0].body)["metadata"]["name"],
            json::parse(requests[1].body)["metadata"]["name"]);
  Stop();
  EXPECT_FALSE(metrics_.Text().contains("events_dropped_total"));
}

TEST_F(EventsTest, WhatIsRefusedIsDroppedAndCounted) {
  answer_ = [](const HttpRequest&) -> Result<HttpResponse> {
    return std::unexpected(StatusError(403, "Forbidden"));
  };
  recorder_.Record(Note());
  Sent(1);
  Stop();
  EXPECT_THAT(metrics_.Text(), testing::HasSubstr("events_dropped_total 1"));
}

TEST_F(EventsTest, WhatIsWaitingAtTheEndIsStillSent) {
  Stop();
  recorder_.Record(Note());
  std::stop_source stopped;
  stopped.request_stop();
  recorder_.Run(stopped.get_token());
  EXPECT_EQ(transport_.requests().size(), 1U);
}

TEST_F(EventsTest, LongNotesAreCutBetweenCharacters) {
  std::string note(1020, 'x');
  for (int i = 0; i < 100; ++i) note += "\u00e9";
  recorder_.Record(Note(note));
  const std::string sent = json::parse(Sent(1)[0].body)["note"];
  EXPECT_LE(sent.size(), 1024U);
  EXPECT_TRUE(sent.ends_with("x\u00e9...") || sent.ends_with("x...")) << sent.substr(1000);
}

}  // namespace
}  // namespace pilotlight::kube
