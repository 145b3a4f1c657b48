#include "operator/kube/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>

namespace pilotlight::kube {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// The names that every Prometheus client library uses for its process.
void RefreshProcess(Metrics& metrics) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  metrics.Gauge("process_cpu_seconds_total", "CPU time used, in seconds")
      .Set(Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  if (statm >> pages >> resident) {
    metrics.Gauge("process_resident_memory_bytes", "Resident memory, in bytes")
        .Set(static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
}

}  // namespace

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {
  Gauge("process_start_time_seconds", "When the process started, in seconds since 1970")
      .Set(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
}

Metrics::~Metrics() = default;

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help,
                                      const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help,
                                          const Labels& labels, const std::vector<double>& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_).Add(labels, buckets);
}

std::shared_ptr<void> Metrics::BeforeText(std::function<void()> refresh) {
  auto end = [this](const int* id) {
    {
      const std::scoped_lock lock(mutex_);
      refresh_.erase(id);
    }
    delete id;
  };
  const std::shared_ptr<int> handle(new int, end);
  const std::scoped_lock lock(mutex_);
  refresh_.emplace(handle.get(), std::move(refresh));
  return handle;
}

std::string Metrics::Text() {
  {
    // Held during the calls, so that nobody is called who has gone.
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, refresh] : refresh_) refresh();
  }
  RefreshProcess(*this);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, registry_->Collect());
  return std::move(text).str();
}

}  // namespace pilotlight::kube
