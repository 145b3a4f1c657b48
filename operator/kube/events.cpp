#include "operator/kube/events.h"

#include <prometheus/counter.h>

#include <format>
#include <nlohmann/json.hpp>

#include "common/log/log.h"
#include "common/time/rfc3339.h"
#include "operator/kube/client.h"
#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestNote = 1024;  // the API server's limit
constexpr std::size_t kMostWaiting = 512;
constexpr std::chrono::minutes kSeriesLives{6};
constexpr int kTries = 5;
constexpr std::chrono::milliseconds kFirstRetry{500};
constexpr std::chrono::milliseconds kLastWords{500};

// Not in the middle of a character.
std::string Cut(std::string text) {
  if (text.size() <= kLongestNote) return text;
  std::size_t end = kLongestNote - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

EventRecorder::EventRecorder(Client& client, Resource resource, std::string controller, std::string instance,
                             Clock& clock, Metrics& metrics)
    : client_(client),
      resource_(std::move(resource)),
      controller_(std::move(controller)),
      instance_(std::move(instance)),
      clock_(clock),
      metrics_(metrics) {}

void EventRecorder::Record(EventNote note) {
  note.note = Cut(std::move(note.note));
  const std::scoped_lock lock(mutex_);
  if (waiting_.size() >= kMostWaiting) {
    CountDropped();
    return;
  }
  waiting_.emplace_back(std::move(note), clock_.Now());
  changed_.notify_one();
}

void EventRecorder::Run(const std::stop_token& stop) {
  const auto next = [this]() -> std::optional<Waiting> {
    if (waiting_.empty()) return std::nullopt;
    std::optional<Waiting> first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  };
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    clock_.Wait(lock, changed_, stop, std::nullopt, [this] { return !waiting_.empty(); });
    if (stop.stop_requested()) break;
    auto first = next();
    lock.unlock();
    if (first && Send(first->first, first->second, stop) == Outcome::CutShort) {
      lock.lock();
      waiting_.push_front(std::move(*first));  // once more below
    }
  }
  const auto until = clock_.Monotonic() + kLastWords;
  Client quick = client_.WithDeadline(kLastWords);
  for (;;) {
    std::unique_lock lock(mutex_);
    auto first = next();
    lock.unlock();
    if (!first || clock_.Monotonic() >= until) return;
    if (SendOnce(quick, first->first, first->second, {})) CountDropped();
  }
}

void EventRecorder::CountDropped() {
  metrics_.Counter("events_dropped_total", "Events that were not sent").Increment();
}

EventRecorder::Outcome EventRecorder::Send(const EventNote& note, Clock::Wall when,
                                           const std::stop_token& stop) {
  auto pause = kFirstRetry;
  for (int i = 0; i < kTries; ++i, pause *= 2) {
    const auto error = SendOnce(client_, note, when, stop);
    if (!error) return Outcome::Sent;
    if (error->code == ErrorCode::Canceled) return Outcome::CutShort;
    const bool worth_it = MayHaveHappened(*error) || error->code == ErrorCode::TooManyRequests;
    if (!worth_it || i + 1 == kTries) {
      log::Warn("Failed to send event", {{"reason", note.reason},
                                         {"namespace", note.regarding.key.ns},
                                         {"name", note.regarding.key.name},
                                         {"error", Describe(*error)}});
      CountDropped();
      return Outcome::GivenUp;
    }
    if (!clock_.Sleep(std::max<Clock::Duration>(pause, error->retry_after.value_or(std::chrono::seconds(0))),
                      stop)) {
      return Outcome::CutShort;
    }
  }
  return Outcome::GivenUp;
}

std::string EventRecorder::SeriesOf(const EventNote& note) {
  // By UID and without a resourceVersion: the same object in another version is the same object.
  return json{note.regarding.uid,
              note.regarding.key.ToString(),
              note.severity == Severity::Warning,
              note.reason,
              note.action,
              note.note}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<Error> EventRecorder::SendOnce(Client& client, const EventNote& note, Clock::Wall when,
                                             const std::stop_token& stop) {
  const auto now = clock_.Monotonic();
  std::erase_if(series_, [now](const auto& item) { return now - item.second.last > kSeriesLives; });
  const std::string id = SeriesOf(note);
  if (const auto found = series_.find(id); found != series_.end()) {
    Series& series = found->second;
    const json body{{"series", {{"count", series.count + 1}, {"lastObservedTime", FormatMicroTime(when)}}}};
    const auto written = client.MergePatch(resource_, series.key, body.dump(), {}, stop);
    if (written) {
      ++series.count;
      series.last = now;
      return std::nullopt;
    }
    if (written.error().code != ErrorCode::NotFound) return written.error();
    series_.erase(found);  // the API server has let it go: events live for an hour
  }
  const Key key{note.regarding.key.ns.empty() ? "default" : note.regarding.key.ns,
                std::format("{}.{:x}", note.regarding.key.name, when.time_since_epoch().count())};
  const auto created = client.Create(resource_, key.ns, Render(note, key, when), stop);
  // Our own first try, whose answer was lost.
  if (!created && created.error().code != ErrorCode::AlreadyExists) return created.error();
  series_[id] = {key, 1, now};
  return std::nullopt;
}

std::string EventRecorder::Render(const EventNote& note, const Key& key, Clock::Wall when) const {
  json regarding{{"apiVersion", note.regarding.api_version},
                 {"kind", note.regarding.kind},
                 {"name", note.regarding.key.name},
                 {"uid", note.regarding.uid}};
  if (!note.regarding.key.ns.empty()) regarding["namespace"] = note.regarding.key.ns;
  const json event{{"apiVersion", resource_.ApiVersion()},
                   {"kind", "Event"},
                   {"metadata", {{"name", key.name}, {"namespace", key.ns}}},
                   {"eventTime", FormatMicroTime(when)},
                   {"reportingController", controller_},
                   {"reportingInstance", instance_},
                   {"regarding", std::move(regarding)},
                   {"type", note.severity == Severity::Warning ? "Warning" : "Normal"},
                   {"reason", note.reason},
                   {"action", note.action},
                   {"note", note.note}};
  return event.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace pilotlight::kube
