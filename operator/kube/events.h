// Tells people what happened, as Events (events.k8s.io/v1, or v1beta1 on old servers).
//
// The same thing happening again within six minutes becomes a series on the one Event. Recording never blocks
// and never fails: events are best effort, sent by a thread of their own, dropped (and counted) when too many
// wait. Thread-safety: Record from any thread; Run once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "common/time/clock.h"
#include "operator/kube/error.h"
#include "operator/kube/key.h"
#include "operator/kube/resource.h"

namespace pilotlight::kube {

class Client;
class Metrics;

struct ObjectReference {
  std::string api_version;
  std::string kind;
  Key key;
  std::string uid;
};

enum class Severity { Normal, Warning };

struct EventNote {
  ObjectReference regarding;
  Severity severity = Severity::Normal;
  std::string reason;  // CamelCase, for machines: "GoldenMismatch"
  std::string action;  // CamelCase, what we did or tried: "Validate"
  std::string note;    // for people; cut at 1024 bytes
};

class EventRecorder {
 public:
  // `resource` is what discovery found for ("events.k8s.io", "events"). `controller` is like
  // "pilotlight.dev/operator", `instance` the pod's name.
  EventRecorder(Client& client, Resource resource, std::string controller, std::string instance, Clock& clock,
                Metrics& metrics);

  void Record(EventNote note);
  // Sends until stopped; then sends what is left, for at most half a second.
  void Run(const std::stop_token& stop);

 private:
  using Waiting = std::pair<EventNote, Clock::Wall>;
  struct Series {
    Key key;  // of the Event
    int count = 1;
    Clock::Instant last;
  };
  static std::string SeriesOf(const EventNote& note);
  enum class Outcome { Sent, GivenUp, CutShort };
  void CountDropped();
  // With retries.
  Outcome Send(const EventNote& note, Clock::Wall when, const std::stop_token& stop);
  std::optional<Error> SendOnce(Client& client, const EventNote& note, Clock::Wall when,
                                const std::stop_token& stop);
  std::string Render(const EventNote& note, const Key& key, Clock::Wall when) const;

  Client& client_;
  const Resource resource_;
  const std::string controller_;
  const std::string instance_;
  Clock& clock_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;           // guarded by mutex_
  std::map<std::string, Series> series_;  // only touched by Run's thread
};

}  // namespace pilotlight::kube
