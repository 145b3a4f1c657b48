#include "operator/kube/reflector_machine.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pilotlight::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPageSize = 500;
constexpr seconds kShortestWatch{300};  // what the server is asked for is up to twice that: no herd
constexpr milliseconds kFirstBackoff{800};
constexpr milliseconds kLongestBackoff{30000};
constexpr std::chrono::minutes kHealthy{2};  // without a failure for so long, back-off starts over
constexpr seconds kVeryShort{1};

}  // namespace

ReflectorMachine::ReflectorMachine(std::function<double()> uniform) : uniform_(std::move(uniform)) {}

ReflectorMachine::Step ReflectorMachine::Next(Instant now) {
  list_complete_ = false;
  switch (state_) {
    case State::Empty:
      StartList();
      return Next(now);
    case State::Listing: {
      // With a version of its own, the server's watch cache answers, which does not page.
      const bool paged = paging_ && (!list_version_ || *list_version_ == "0");
      return ListPage{list_version_, paged ? kPageSize : 0, continue_token_, continue_token_.empty()};
    }
    case State::Watching: {
      // Events of the objects that were there before are sent in no order of version: none of them may move
      // ours.
      version_from_synthetic_ = resource_version_.empty() || resource_version_ == "0";
      watch_started_ = now;
      watch_events_ = 0;
      watch_error_.reset();
      const double jitter = 1.0 + uniform_();
      return Watch{resource_version_, std::chrono::duration_cast<seconds>(kShortestWatch * jitter)};
    }
    case State::Backoff:
      return Wait{wait_};
  }
  return Wait{kLongestBackoff};
}

void ReflectorMachine::StartList() {
  state_ = State::Listing;
  continue_token_.clear();
}

void ReflectorMachine::PageListed(const ListMeta& meta, Instant /*now*/) {
  continue_token_ = meta.continue_token;
  if (!continue_token_.empty()) return;
  list_complete_ = true;
  synced_ = true;
  quorum_tried_ = false;
  paging_ = true;
  resource_version_ = meta.resource_version;
  list_version_ = resource_version_;  // not "0" again: a cache that lags would take us back in time
  state_ = State::Watching;
}

void ReflectorMachine::ListFailed(const Error& error, Instant now) {
  const bool mid_list = !continue_token_.empty();
  continue_token_.clear();
  if (error.code == ErrorCode::Gone && mid_list) {
    // The list took longer than the server keeps its version. Whole lists cannot run out.
    paging_ = false;
    list_version_ = std::nullopt;
    StartList();
    return;
  }
  if (error.code == ErrorCode::Gone && !quorum_tried_) {
    quorum_tried_ = true;
    list_version_ = std::nullopt;
    StartList();
    return;
  }
  BackOff(State::Empty, error, now);
}

bool ReflectorMachine::WatchEvent(EventType type, std::string_view resource_version, const Error* error,
                                  Instant /*now*/) {
  if (type == EventType::Error) {
    watch_error_ = error != nullptr ? *error : Error{.code = ErrorCode::Server, .message = "ERROR event"};
    return false;
  }
  if (type == EventType::Unknown) return true;
  ++watch_events_;
  if (version_from_synthetic_ && type == EventType::Added) return true;
  version_from_synthetic_ = false;
  if (!resource_version.empty()) resource_version_ = resource_version;
  return true;
}

void ReflectorMachine::WatchEnded(const std::optional<Error>& error, Instant now) {
  const std::optional<Error> cause = watch_error_ ? std::exchange(watch_error_, std::nullopt) : error;
  const bool in_stream = cause && cause->http_status == 0;
  if (cause && cause->code == ErrorCode::Gone) {
    list_version_ = resource_version_;
    state_ = State::Empty;
    // A server that says Gone again and again is not to be asked again and again.
    if (watch_events_ == 0 && now - watch_started_ < kVeryShort && failures_ > 0) {
      BackOff(State::Empty, cause, now);
    } else {
      ++failures_;
      last_failure_ = now;
    }
    return;
  }
  const bool useful = watch_events_ > 0 || now - watch_started_ >= kVeryShort;
  if (!cause || in_stream) {
    if (useful) return;  // goes on where it was
    ++short_watches_;
  }
  BackOff(State::Watching, cause, now);
}

void ReflectorMachine::BackOff(State then, const std::optional<Error>& error, Instant now) {
  if (failures_ > 0 && now - last_failure_ > kHealthy) failures_ = 0;
  const int doublings = std::min(failures_, 10);
  const milliseconds base = std::min(kFirstBackoff * (1 << doublings), kLongestBackoff);
  wait_ = std::chrono::duration_cast<milliseconds>(base * (1.0 + uniform_()));
  if (error && error->retry_after) {
    const auto asked =
        std::chrono::duration_cast<milliseconds>(*error->retry_after * (1.0 + 0.1 * uniform_()));
    wait_ = std::max(wait_, asked);
  }
  ++failures_;
  last_failure_ = now;
  after_backoff_ = then;
  state_ = State::Backoff;
}

void ReflectorMachine::Waited() {
  if (state_ == State::Backoff) state_ = after_backoff_;
}

}  // namespace pilotlight::kube
