#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "tests/sim/random.h"

namespace pilotlight::sim {

using Moment = std::chrono::sys_time<Millis>;

// Virtual time: it moves only from one thing that happens to the next. What is due at the same moment happens
// in the order in which it was asked for.
//
// Thread-safety: one thread.
class EventQueue {
 public:
  Moment now() const { return now_; }
  bool empty() const { return due_.empty(); }

  void After(Millis delay, std::function<void()> what) {
    due_.push({now_ + std::max(delay, Millis(0)), ++added_, std::move(what)});
  }

  // False: nothing is left, or nothing until `end`.
  bool RunNext(Moment end) {
    if (due_.empty() || due_.top().when > end) return false;
    // std::priority_queue gives no way to move out of it; nobody else sees the entry before it goes.
    Due next = std::move(const_cast<Due&>(due_.top()));
    due_.pop();
    now_ = next.when;
    next.what();
    return true;
  }

 private:
  struct Due {
    Moment when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Due& other) const {
      return std::pair(when, order) > std::pair(other.when, other.order);
    }
  };
  std::priority_queue<Due> due_;
  std::uint64_t added_ = 0;
  Moment now_{std::chrono::seconds(1'795'000'000)};
};

}  // namespace pilotlight::sim
