// One of several operators works; the others wait, by a Lease.
//
// Another's lease is taken to have run out when *we* have seen it unchanged for its duration, by our
// monotonic clock: clocks that disagree do no harm. A Mandate keeps us from writing when others may lead; it
// is no fence: a write that has been sent may still be on its way then, so every write must be safe under two
// leaders. Thread-safety: Run once; is_leader from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <stop_token>
#include <string>

#include "common/time/clock.h"
#include "operator/kube/error.h"
#include "operator/kube/key.h"

namespace pilotlight::kube {

class Client;
class Mandate;
class Metrics;

struct LeaderElectorOptions {
  Key lease;             // where: our own namespace
  std::string identity;  // ours alone: pod name and a random part. Must not be empty
  // How long the others wait after our last renewal. Default: 15 s.
  std::chrono::milliseconds lease_duration{15000};
  // We stop leading when no renewal has worked for so long. Default: 10 s; below lease_duration.
  std::chrono::milliseconds renew_deadline{10000};
  // Between tries, ·1.2 jitter. Default: 2 s.
  std::chrono::milliseconds retry_period{2000};
  // Given for renew_deadline by each renewal, and ended when the lease is lost. Default: none.
  Mandate* mandate = nullptr;
};

class LeaderElector {
 public:
  // Throws std::invalid_argument for times that cannot work.
  LeaderElector(LeaderElectorOptions options, Client& client, Clock& clock, Metrics& metrics);

  enum class Outcome { Stopped, Lost };
  // Waits until we lead, then runs `lead` on this thread's behalf (in a thread of its own) until it is
  // stopped or the lease is lost; `lead` must return soon after its token says stop. When it has returned, a
  // lease that is still ours is released. Lost: the process should end.
  Outcome Run(const std::stop_token& stop, const std::function<void(const std::stop_token&)>& lead);

  bool is_leader() const { return leading_; }

 private:
  struct Record {
    std::string holder;
    std::int64_t duration_seconds = 0;
    std::string acquired;
    std::string renewed;
    std::int64_t transitions = 0;
    bool operator==(const Record&) const = default;
  };
  bool Acquire(const std::stop_token& stop);
  bool RenewUntilStopped(const std::stop_token& stop);
  bool TryAcquireOrRenew(const std::stop_token& stop);
  bool Renew(const std::stop_token& stop);
  bool Take(const std::stop_token& stop);
  bool Write(const Record& record, const std::stop_token& stop);
  bool ReadRecord(const std::string& body);
  void Release();
  std::string Render(const Record& record) const;
  std::chrono::milliseconds Jittered();
  // No call may outlive the moment at which we would have to step down.
  Client CallClient() const;

  const LeaderElectorOptions options_;
  Client& client_;
  Clock& clock_;
  Metrics& metrics_;
  std::atomic<bool> leading_{false};
  std::mt19937 random_;
  Record observed_;               // as last read or written
  std::string resource_version_;  // of the same; empty: there is no Lease
  Clock::Instant observed_at_;    // when it was first seen so
  Clock::Instant renewed_at_;     // when our last write of it began
};

}  // namespace pilotlight::kube
