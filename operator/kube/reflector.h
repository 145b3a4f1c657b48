// Keeps a sink in step with one resource of one namespace (or all), until stopped.
//
// Thread-safety: Run is called once, on a thread of the reflector's own; the rest from any thread.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/log/log.h"
#include "operator/kube/error.h"
#include "operator/kube/reflector_machine.h"
#include "operator/kube/resource.h"

namespace pilotlight {
class Clock;
}

namespace pilotlight::kube {

class Metrics;
class ObjectSink;
class Transport;

struct ReflectorOptions {
  Resource resource;
  std::string ns = {};              // empty: all
  std::string label_selector = {};  // what the server filters by
  std::string field_selector = {};
};

class Reflector {
 public:
  // All of them must outlive the reflector.
  Reflector(ReflectorOptions options, Transport& transport, ObjectSink& sink, Clock& clock, Metrics& metrics);
  ~Reflector();

  // Returns, soon, when stopped, and only then.
  void Run(const std::stop_token& stop);
  // Whether the sink has had the whole of a list.
  bool synced() const { return synced_; }

 private:
  void List(const ReflectorMachine::ListPage& page, const std::stop_token& stop);
  void Watch(const ReflectorMachine::Watch& watch, const std::stop_token& stop);
  bool TakeLine(std::string_view line);
  void Keep(const std::expected<void, std::string>& result);
  void Count(const char* name, const char* help);

  const ReflectorOptions options_;
  Transport& transport_;
  ObjectSink& sink_;
  Clock& clock_;
  Metrics& metrics_;
  std::unique_ptr<ReflectorMachine> machine_;
  const log::Logger log_;
  std::atomic<bool> synced_{false};
};

}  // namespace pilotlight::kube
