#include "operator/kube/work_queue.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <algorithm>

#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry{5};
constexpr milliseconds kLongestRetry{1000 * 1000};

double Seconds(Clock::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::vector<double> Buckets() {
  return {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000};
}

}  // namespace

struct WorkQueue::Entry {
  enum class Where : std::uint8_t { Ready, Delayed, Working };

  Key key;
  Where where = Where::Ready;
  int priority = kNormalPriority;
  std::uint64_t sequence = 0;
  Clock::Instant since;  // ready, or worked on, since then
  std::multimap<Clock::Instant, Entry*>::iterator delayed;
  // Added while it was worked on:
  bool again = false;
  Clock::Instant again_at;
  int again_priority = kNormalPriority;
};

struct WorkQueue::Instruments {
  Instruments(const std::string& name, Metrics& metrics)
      : metrics_(metrics), labels{{"name", name}, {"controller", name}} {}

  prometheus::Gauge& Depth(int priority) {
    auto with = labels;
    with["priority"] = std::to_string(priority);
    return metrics_.Gauge("workqueue_depth", "Keys that are ready to be worked on", with);
  }

  Metrics& metrics_;
  const Metrics::Labels labels;
  prometheus::Counter& adds = metrics_.Counter("workqueue_adds_total", "Keys added", labels);
  prometheus::Counter& retries =
      metrics_.Counter("workqueue_retries_total", "Keys added after a failure", labels);
  prometheus::Histogram& waited = metrics_.Histogram("workqueue_queue_duration_seconds",
                                                     "How long a key waited, in seconds", labels, Buckets());
  prometheus::Histogram& worked = metrics_.Histogram(
      "workqueue_work_duration_seconds", "How long a key was worked on, in seconds", labels, Buckets());
  prometheus::Gauge& unfinished =
      metrics_.Gauge("workqueue_unfinished_work_seconds",
                     "Seconds of work in progress and not yet in work_duration", labels);
  prometheus::Gauge& longest =
      metrics_.Gauge("workqueue_longest_running_processor_seconds",
                     "How long the oldest work in progress has run, in seconds", labels);
};

bool WorkQueue::Order::operator()(const Entry* a, const Entry* b) const {
  if (a->priority != b->priority) return a->priority > b->priority;
  return a->sequence < b->sequence;
}

WorkQueue::WorkQueue(const std::string& name, Clock& clock, Metrics& metrics)
    : clock_(clock), instruments_(std::make_unique<Instruments>(name, metrics)) {
  refresh_ = metrics.BeforeText([this] { RefreshWorkInHand(); });
}

WorkQueue::~WorkQueue() = default;

void WorkQueue::Add(const Key& key, int priority) {
  AddAfter(key, milliseconds(0), priority);
}

void WorkQueue::AddAfter(const Key& key, milliseconds delay, int priority) {
  const std::scoped_lock lock(mutex_);
  // Far futures are cut, or the sum would not fit into a time_point.
  delay = std::clamp(delay, milliseconds(0), milliseconds(std::chrono::hours(24 * 365)));
  AddLocked(key, clock_.Monotonic() + delay, priority);
}

void WorkQueue::AddRateLimited(const Key& key, int priority, milliseconds at_least) {
  const std::scoped_lock lock(mutex_);
  Failures& failures = failures_[key];
  const milliseconds backoff =
      failures.count > 20 ? kLongestRetry : std::min(kFirstRetry * (1 << failures.count), kLongestRetry);
  ++failures.count;
  const Clock::Instant now = clock_.Monotonic();
  failures.not_before = now + std::clamp(at_least, milliseconds(0), kLongestRetry);
  instruments_->retries.Increment();
  AddLocked(key, now + backoff, priority);
}

Clock::Instant WorkQueue::Allowed(const Key& key, Clock::Instant when) const {
  const auto found = failures_.find(key);
  return found == failures_.end() ? when : std::max(when, found->second.not_before);
}

void WorkQueue::Forget(const Key& key) {
  const std::scoped_lock lock(mutex_);
  failures_.erase(key);
}

void WorkQueue::AddLocked(const Key& key, Clock::Instant when, int priority) {
  when = Allowed(key, when);
  auto& slot = entries_[key];
  if (!slot) {
    slot = std::make_unique<Entry>();
    slot->key = key;
    slot->priority = priority;
    instruments_->adds.Increment();
    Insert(*slot, when);
    return;
  }
  Entry& entry = *slot;
  switch (entry.where) {
    case Entry::Where::Working:
      entry.again_at = entry.again ? std::min(entry.again_at, when) : when;
      entry.again_priority = entry.again ? std::max(entry.again_priority, priority) : priority;
      entry.again = true;
      return;
    case Entry::Where::Ready:
      if (priority <= entry.priority) return;
      Remove(entry);
      entry.priority = priority;
      Insert(entry, clock_.Monotonic());
      return;
    case Entry::Where::Delayed: {
      const Clock::Instant old = entry.delayed->first;
      Remove(entry);
      entry.priority = std::max(entry.priority, priority);
      Insert(entry, std::min(old, when));
      return;
    }
  }
}

void WorkQueue::Insert(Entry& entry, Clock::Instant when) {
  const Clock::Instant now = clock_.Monotonic();
  if (when > now) {
    entry.where = Entry::Where::Delayed;
    entry.delayed = delayed_.emplace(when, &entry);
  } else {
    entry.where = Entry::Where::Ready;
    entry.sequence = sequence_++;
    entry.since = now;
    ready_.insert(&entry);
    instruments_->Depth(entry.priority).Increment();
  }
  ++generation_;
  changed_.notify_one();
}

void WorkQueue::Remove(Entry& entry) {
  if (entry.where == Entry::Where::Delayed) {
    delayed_.erase(entry.delayed);
  } else {
    ready_.erase(&entry);
    instruments_->Depth(entry.priority).Decrement();
  }
}

void WorkQueue::Promote(Clock::Instant now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    Entry& entry = *delayed_.begin()->second;
    Remove(entry);
    Insert(entry, now);
  }
}

std::optional<WorkQueue::Item> WorkQueue::Get(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stop.stop_requested()) return std::nullopt;
    const Clock::Instant now = clock_.Monotonic();
    Promote(now);
    if (!ready_.empty()) break;
    const auto deadline = delayed_.empty() ? std::nullopt : std::optional(delayed_.begin()->first);
    // An addition may change what there is to wait for, so any ends the wait.
    clock_.Wait(lock, changed_, stop, deadline, [this, seen = generation_] { return generation_ != seen; });
  }
  Entry& entry = **ready_.begin();
  Remove(entry);
  const Clock::Instant now = clock_.Monotonic();
  instruments_->waited.Observe(Seconds(now - entry.since));
  entry.where = Entry::Where::Working;
  entry.since = now;
  // With one notification for several additions, somebody else must be told of the rest.
  if (!ready_.empty()) changed_.notify_one();
  return Item{entry.key, entry.priority};
}

void WorkQueue::Done(const Key& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  Entry& entry = *found->second;
  instruments_->worked.Observe(Seconds(clock_.Monotonic() - entry.since));
  if (!entry.again) {
    entries_.erase(found);
    return;
  }
  entry.again = false;
  entry.priority = entry.again_priority;
  instruments_->adds.Increment();
  Insert(entry, Allowed(key, entry.again_at));
}

void WorkQueue::RefreshWorkInHand() {
  const std::scoped_lock lock(mutex_);
  const Clock::Instant now = clock_.Monotonic();
  double sum = 0;
  double longest = 0;
  for (const auto& [key, entry] : entries_) {
    if (entry->where != Entry::Where::Working) continue;
    const double seconds = Seconds(now - entry->since);
    sum += seconds;
    longest = std::max(longest, seconds);
  }
  instruments_->unfinished.Set(sum);
  instruments_->longest.Set(longest);
}

std::size_t WorkQueue::ready() const {
  const std::scoped_lock lock(mutex_);
  return ready_.size();
}

std::size_t WorkQueue::size() const {
  const std::scoped_lock lock(mutex_);
  return ready_.size() + delayed_.size();
}

}  // namespace pilotlight::kube
