#include "operator/kube/manager.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "common/log/log.h"
#include "common/time/clock.h"
#include "operator/kube/controller.h"
#include "operator/kube/events.h"
#include "operator/kube/memory.h"

namespace pilotlight::kube {
namespace {

constexpr std::chrono::milliseconds kSyncPoll{20};
constexpr std::chrono::seconds kSyncWarning{30};
constexpr std::chrono::seconds kHousekeeping{20};
// The whole of a stop. What then still hangs is hung, and the process goes.
constexpr std::chrono::milliseconds kStopBudget{1700};

// Ends the process if the stop takes too long. Real time: it is the last resort.
class Watchdog {
 public:
  explicit Watchdog(const std::stop_token& stop)
      : thread_([stop](const std::stop_token& done) { Watch(stop, done); }) {}

 private:
  static void Watch(const std::stop_token& stop, const std::stop_token& done) {
    std::mutex mutex;
    std::condition_variable_any changed;
    const std::stop_callback wake(stop, [&] {
      const std::scoped_lock lock(mutex);
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    if (!changed.wait(lock, done, [&] { return stop.stop_requested(); })) return;
    changed.wait_for(lock, done, kStopBudget, [] { return false; });
    if (done.stop_requested()) return;
    log::Error("Failed to stop in time", {{"budgetMs", kStopBudget.count()}});
    std::_Exit(1);
  }

  std::jthread thread_;
};

}  // namespace

Manager::Manager(ManagerOptions options, Transport& transport, Client& client, Clock& clock, Metrics& metrics)
    : options_(std::move(options)), transport_(transport), clock_(clock), metrics_(metrics) {
  if (options_.namespaces.empty()) options_.namespaces.emplace_back();
  if (options_.leader_election) {
    elector_ = std::make_unique<LeaderElector>(*options_.leader_election, client, clock, metrics);
  }
}

Manager::~Manager() = default;

void Manager::AddReflectors(const WatchOptions& watch, std::unique_ptr<ObjectSink> sink) {
  for (const std::string& ns : options_.namespaces) {
    reflectors_.push_back(std::make_unique<Reflector>(
        ReflectorOptions{watch.resource, ns, watch.label_selector, watch.field_selector}, transport_, *sink,
        clock_, metrics_));
  }
  sinks_.push_back(std::move(sink));
}

void Manager::AddController(Controller& controller) {
  AddRunnable([&controller](const std::stop_token& stop) { controller.Run(stop); });
}

void Manager::AddRunnable(std::function<void(const std::stop_token&)> run) {
  runnables_.push_back(std::move(run));
}

bool Manager::synced() const {
  return std::ranges::all_of(reflectors_, [](const auto& reflector) { return reflector->synced(); });
}

bool Manager::leading() const {
  return elector_ ? elector_->is_leader() : leading_without_election_.load();
}

int Manager::Run(const std::stop_token& stop) {
  std::stop_source over;  // stopped from outside, or the lease was lost
  const std::stop_callback pass_on(stop, [&over] { over.request_stop(); });
  const Watchdog watchdog(over.get_token());

  std::vector<std::jthread> watches;
  for (const auto& reflector : reflectors_) {
    watches.emplace_back([&reflector, token = over.get_token()] { reflector->Run(token); });
  }
  const std::jthread housekeeper([this](const std::stop_token& done) { KeepHouse(done); });
  std::stop_source events_over;
  std::jthread events;
  if (events_ != nullptr) {
    events = std::jthread([this, token = events_over.get_token()] { events_->Run(token); });
  }

  const auto lead = [this](const std::stop_token& token) { Lead(token); };
  bool lost = false;
  if (elector_) {
    lost = elector_->Run(over.get_token(), lead) == LeaderElector::Outcome::Lost;
  } else {
    leading_without_election_ = true;
    lead(over.get_token());
    leading_without_election_ = false;
  }
  over.request_stop();
  watches.clear();
  events_over.request_stop();
  if (events.joinable()) events.join();
  return lost ? 1 : 0;
}

void Manager::KeepHouse(const std::stop_token& stop) {
  while (!synced()) {
    if (!clock_.Sleep(kSyncPoll, stop)) return;
  }
  do {
    ReturnFreeMemory();
    ReturnIdleCode();
  } while (clock_.Sleep(kHousekeeping, stop));
}

void Manager::Lead(const std::stop_token& stop) {
  const auto start = clock_.Monotonic();
  for (auto warn = start + kSyncWarning; !synced();) {
    if (!clock_.Sleep(kSyncPoll, stop)) return;
    if (clock_.Monotonic() < warn) continue;
    log::Warn("Waiting for stores to sync; see the failures to list above");
    warn += kSyncWarning;
  }
  std::vector<std::jthread> threads;
  threads.reserve(runnables_.size());
  for (const auto& run : runnables_) {
    threads.emplace_back([&run, &stop] { run(stop); });
  }
  threads.clear();  // they end when told to stop
}

}  // namespace pilotlight::kube
