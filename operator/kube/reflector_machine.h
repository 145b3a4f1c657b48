// List, then watch, and what to do when either fails: decisions only, no I/O, no clock, no threads.
//
// The driver (reflector.h) asks Next(), does it, and reports what happened.
// Thread-safety: none; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "operator/kube/error.h"
#include "operator/kube/json.h"

namespace pilotlight::kube {

class ReflectorMachine {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  // Empty: nothing is known. Listing: pages are coming. Watching: the store is whole, events keep it so.
  // Backoff: something failed, and we wait before we go on where we were.
  enum class State : std::uint8_t { Empty, Listing, Watching, Backoff };

  struct ListPage {
    std::optional<std::string> resource_version;  // none: the newest, by quorum
    int limit = 0;
    std::string continue_token;
    bool first = false;  // begins a new list: whatever was collected of an older one is void
  };
  struct Watch {
    std::string resource_version;
    std::chrono::seconds timeout;  // the server is asked to end it then
  };
  struct Wait {
    std::chrono::milliseconds duration;
  };
  using Step = std::variant<ListPage, Watch, Wait>;

  // uniform(): a number in [0, 1), for jitter.
  explicit ReflectorMachine(std::function<double()> uniform);

  Step Next(Instant now);

  void PageListed(const ListMeta& meta, Instant now);
  void ListFailed(const Error& error, Instant now);
  // An event's effect on where we are. `resource_version` is its object's. For Error events give `error`.
  // False: this watch is over, end the stream.
  bool WatchEvent(EventType type, std::string_view resource_version, const Error* error, Instant now);
  // None: the server ended it in good order.
  void WatchEnded(const std::optional<Error>& error, Instant now);
  void Waited();

  State state() const { return state_; }
  // True after the page that completed a list; the collected items are then the whole truth.
  bool list_complete() const { return list_complete_; }
  const std::string& resource_version() const { return resource_version_; }
  bool synced() const { return synced_; }
  std::uint64_t short_watches() const { return short_watches_; }

 private:
  void BackOff(State then, const std::optional<Error>& error, Instant now);
  void StartList();

  std::function<double()> uniform_;
  State state_ = State::Empty;
  State after_backoff_ = State::Empty;
  std::string resource_version_;  // where the watch goes on; empty before the first list
  std::optional<std::string> list_version_{"0"};
  std::string continue_token_;
  bool paging_ = true;
  bool quorum_tried_ = false;  // a relist with resourceVersion="" has been tried since the last success
  bool list_complete_ = false;
  bool synced_ = false;
  bool version_from_synthetic_ = false;
  std::optional<Error> watch_error_;
  Instant watch_started_;
  std::uint64_t watch_events_ = 0;
  std::uint64_t short_watches_ = 0;
  int failures_ = 0;
  Instant last_failure_;
  std::chrono::milliseconds wait_{0};
};

}  // namespace pilotlight::kube
