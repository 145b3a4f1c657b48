// Keys that want work: each at most once in the queue, each at most once in somebody's hands.
//
// A key that is added while it is worked on comes again afterwards. Failures of a key are remembered until
// Forget, and wait 5 ms · 2^failures, at most 1000 s. Adding twice keeps the earlier time and the higher
// priority.
// Thread-safety: all members may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>

#include "common/time/clock.h"
#include "operator/kube/key.h"

namespace pilotlight::kube {

class Metrics;

inline constexpr int kNormalPriority = 0;
inline constexpr int kLowPriority = -100;  // what the first list and resyncs bring: what is new goes first

class WorkQueue {
 public:
  // `name` labels the metrics.
  WorkQueue(const std::string& name, Clock& clock, Metrics& metrics);
  ~WorkQueue();

  void Add(const Key& key, int priority = kNormalPriority);
  void AddAfter(const Key& key, std::chrono::milliseconds delay, int priority = kNormalPriority);
  // After this key's next back-off, or `at_least` if that is longer (a server's Retry-After). Until
  // `at_least` is over, or Forget, no other addition brings the key up either: what happens meanwhile is no
  // reason to ask again.
  void AddRateLimited(const Key& key, int priority = kNormalPriority,
                      std::chrono::milliseconds at_least = std::chrono::milliseconds(0));
  void Forget(const Key& key);  // its failures

  struct Item {
    Key key;
    int priority = kNormalPriority;
  };
  // Waits for the next key. None: stopped. Give every key back with Done.
  std::optional<Item> Get(const std::stop_token& stop);
  void Done(const Key& key);

  std::size_t ready() const;  // could be had now
  std::size_t size() const;   // ready and delayed

 private:
  struct Entry;
  struct Instruments;
  struct Failures {
    int count = 0;
    Clock::Instant not_before{};
  };
  struct Order {
    bool operator()(const Entry* a, const Entry* b) const;
  };
  void AddLocked(const Key& key, Clock::Instant when, int priority);
  Clock::Instant Allowed(const Key& key, Clock::Instant when) const;
  void Promote(Clock::Instant now);  // delayed entries whose time has come
  void Insert(Entry& entry, Clock::Instant when);
  void Remove(Entry& entry);
  void RefreshWorkInHand();

  Clock& clock_;
  std::unique_ptr<Instruments> instruments_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::unordered_map<Key, std::unique_ptr<Entry>, KeyHash> entries_;
  std::set<Entry*, Order> ready_;
  std::multimap<Clock::Instant, Entry*> delayed_;
  std::unordered_map<Key, Failures, KeyHash> failures_;
  std::uint64_t sequence_ = 0;
  std::uint64_t generation_ = 0;   // of what Get waits for
  std::shared_ptr<void> refresh_;  // the last member: gone first
};

}  // namespace pilotlight::kube
