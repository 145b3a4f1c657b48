// The registry behind /metrics. Names and labels are those of controller-runtime and client-go, so that
// dashboards made for them work.
//
// Thread-safety: all members may be called from any thread; what they return lives as long as the Metrics.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace pilotlight::kube {

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same object. Include <prometheus/counter.h> etc. to use them.
  prometheus::Counter& Counter(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help, const Labels& labels,
                                   const std::vector<double>& buckets);

  // `refresh` is called before every Text, for values that change with time alone, until what is returned
  // here is gone. The metrics must outlive it.
  [[nodiscard]] std::shared_ptr<void> BeforeText(std::function<void()> refresh);

  // In Prometheus' text format; with the process's own metrics (memory, CPU, start, descriptors).
  std::string Text();

  std::shared_ptr<prometheus::Registry> registry() { return registry_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::mutex mutex_;
  std::map<const void*, std::function<void()>> refresh_;
};

}  // namespace pilotlight::kube
