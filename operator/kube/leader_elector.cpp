#include "operator/kube/leader_elector.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "common/log/log.h"
#include "common/time/rfc3339.h"
#include "operator/kube/client.h"
#include "operator/kube/mandate.h"
#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kLongestCall{5000};
constexpr milliseconds kShortestCall{200};
constexpr milliseconds kLastCall{500};  // giving the lease up, while the process is ending

std::int64_t Seconds(milliseconds duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

LeaderElector::LeaderElector(LeaderElectorOptions options, Client& client, Clock& clock, Metrics& metrics)
    : options_(std::move(options)),
      client_(client),
      clock_(clock),
      metrics_(metrics),
      random_(std::random_device()()) {
  if (options_.identity.empty()) throw std::invalid_argument("leader election: the identity is empty");
  if (options_.lease_duration <= options_.renew_deadline) {
    throw std::invalid_argument("leader election: the lease must last longer than the renew deadline");
  }
  if (options_.renew_deadline <= options_.retry_period * 6 / 5) {
    throw std::invalid_argument("leader election: the renew deadline must be more than 1.2 retry periods");
  }
}

LeaderElector::Outcome LeaderElector::Run(const std::stop_token& stop,
                                          const std::function<void(const std::stop_token&)>& lead) {
  auto& status = metrics_.Gauge("leader_election_master_status", "1 if this process leads",
                                {{"name", options_.lease.name}});
  status.Set(0);
  if (!Acquire(stop)) return Outcome::Stopped;
  leading_ = true;
  status.Set(1);
  log::Info("Acquired lease", {{"lease", options_.lease.ToString()}, {"identity", options_.identity}});
  bool lost = false;
  {
    const std::jthread worker([&lead](const std::stop_token& stopped) { lead(stopped); });
    lost = !RenewUntilStopped(stop);
    leading_ = false;
    if (lost && options_.mandate != nullptr) options_.mandate->End();
    status.Set(0);
  }  // stops the worker and waits for it: only then may another lead
  if (!lost) {
    Release();
    return Outcome::Stopped;
  }
  log::Error("Lost lease", {{"lease", options_.lease.ToString()}, {"identity", options_.identity}});
  return Outcome::Lost;
}

milliseconds LeaderElector::Jittered() {
  return std::chrono::duration_cast<milliseconds>(options_.retry_period *
                                                  std::uniform_real_distribution<double>(1.0, 1.2)(random_));
}

bool LeaderElector::Acquire(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (TryAcquireOrRenew(stop)) return true;
    if (!clock_.Sleep(Jittered(), stop)) break;
  }
  return false;
}

bool LeaderElector::RenewUntilStopped(const std::stop_token& stop) {
  for (;;) {
    const auto deadline = renewed_at_ + options_.renew_deadline;
    const auto pause = std::min<Clock::Duration>(Jittered(), deadline - clock_.Monotonic());
    if (pause > Clock::Duration::zero() && !clock_.Sleep(pause, stop)) return true;
    if (stop.stop_requested()) return true;
    if (clock_.Monotonic() >= deadline) return false;
    if (!TryAcquireOrRenew(stop) && !observed_.holder.empty() && observed_.holder != options_.identity) {
      return false;  // somebody else has it: there is nothing to wait for
    }
  }
}

bool LeaderElector::TryAcquireOrRenew(const std::stop_token& stop) {
  if (leading_ && observed_.holder == options_.identity && Renew(stop)) return true;
  return Take(stop);
}

// Without reading first: nobody else writes a lease that is ours.
bool LeaderElector::Renew(const std::stop_token& stop) {
  Record record = observed_;
  record.renewed = FormatMicroTime(clock_.Now());
  record.duration_seconds = Seconds(options_.lease_duration);
  if (Write(record, stop)) return true;
  metrics_
      .Counter("leader_election_slowpath_total", "Renewals that had to read the lease again",
               {{"name", options_.lease.name}})
      .Increment();
  return false;
}

bool LeaderElector::Take(const std::stop_token& stop) {
  if (stop.stop_requested()) return false;
  auto found = CallClient().Get(Leases(), options_.lease, stop);
  if (!found && found.error().code == ErrorCode::NotFound) {
    resource_version_.clear();
    observed_ = {};
  } else if (!found || !ReadRecord(found->body)) {
    if (!stop.stop_requested()) {
      log::Warn("Failed to read lease", {{"lease", options_.lease.ToString()},
                                         {"error", found ? "not a Lease" : Describe(found.error())}});
    }
    return false;
  } else {
    resource_version_ = found->resource_version;
  }

  const auto now = clock_.Monotonic();
  const bool ours = observed_.holder == options_.identity;
  const auto expires = observed_at_ + std::chrono::seconds(observed_.duration_seconds);
  if (!observed_.holder.empty() && !ours && now < expires) return false;

  Record record{.holder = options_.identity,
                .duration_seconds = Seconds(options_.lease_duration),
                .acquired = ours ? observed_.acquired : FormatMicroTime(clock_.Now()),
                .renewed = FormatMicroTime(clock_.Now()),
                .transitions = observed_.transitions + (ours || resource_version_.empty() ? 0 : 1)};
  return Write(record, stop);
}

bool LeaderElector::Write(const Record& record, const std::stop_token& stop) {
  const auto began = clock_.Monotonic();
  Client client = CallClient();
  const auto written = resource_version_.empty()
                           ? client.Create(Leases(), options_.lease.ns, Render(record), stop)
                           : client.Replace(Leases(), options_.lease, Render(record), {}, stop);
  if (!written) {
    if (!stop.stop_requested()) {
      log::Warn("Failed to write lease",
                {{"lease", options_.lease.ToString()}, {"error", Describe(written.error())}});
    }
    return false;
  }
  resource_version_ = written->resource_version;
  observed_ = record;
  observed_at_ = clock_.Monotonic();
  renewed_at_ = began;  // the others may count from as early as this
  if (options_.mandate != nullptr) options_.mandate->GiveUntil(renewed_at_ + options_.renew_deadline);
  return true;
}

void LeaderElector::Release() {
  Record record = observed_;
  record.holder.clear();
  record.duration_seconds = 1;
  record.renewed = FormatMicroTime(clock_.Now());
  Client client = client_.WithDeadline(kLastCall);
  auto written = client.Replace(Leases(), options_.lease, Render(record), {}, {});
  // A renewal that was cut short by our stopping may have been carried out: then the Lease is newer than we
  // know.
  if (!written && written.error().code == ErrorCode::Conflict) {
    const auto found = client.Get(Leases(), options_.lease, {});
    if (found && ReadRecord(found->body) && observed_.holder == options_.identity) {
      resource_version_ = found->resource_version;
      written = client.Replace(Leases(), options_.lease, Render(record), {}, {});
    }
  }
  log::Info("Released lease", {{"lease", options_.lease.ToString()}, {"done", written.has_value()}});
}

// Changes count from when we see them, whatever time is written in them.
bool LeaderElector::ReadRecord(const std::string& body) {
  const json lease = json::parse(body, nullptr, false);
  if (!lease.is_object()) return false;
  const json spec = lease.value("spec", json::object());
  if (!spec.is_object()) return false;
  Record record;
  try {
    record = {.holder = spec.value("holderIdentity", ""),
              .duration_seconds = spec.value("leaseDurationSeconds", std::int64_t{0}),
              .acquired = spec.value("acquireTime", ""),
              .renewed = spec.value("renewTime", ""),
              .transitions = spec.value("leaseTransitions", std::int64_t{0})};
  } catch (const json::exception&) {
    return false;
  }
  if (!(record == observed_)) {
    observed_ = std::move(record);
    observed_at_ = clock_.Monotonic();
  }
  return true;
}

std::string LeaderElector::Render(const Record& record) const {
  json metadata{{"name", options_.lease.name}, {"namespace", options_.lease.ns}};
  if (!resource_version_.empty()) metadata["resourceVersion"] = resource_version_;
  json spec{{"leaseDurationSeconds", record.duration_seconds},
            {"leaseTransitions", record.transitions},
            {"renewTime", record.renewed}};
  if (!record.holder.empty()) spec["holderIdentity"] = record.holder;
  if (!record.acquired.empty()) spec["acquireTime"] = record.acquired;
  return json{
      {"apiVersion", Leases().ApiVersion()}, {"kind", "Lease"}, {"metadata", metadata}, {"spec", spec}}
      .dump();
}

Client LeaderElector::CallClient() const {
  if (!leading_) return client_.WithDeadline(kLongestCall);
  const auto left =
      std::chrono::duration_cast<milliseconds>(renewed_at_ + options_.renew_deadline - clock_.Monotonic());
  return client_.WithDeadline(std::clamp(left, kShortestCall, kLongestCall));
}

}  // namespace pilotlight::kube
