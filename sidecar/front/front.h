#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "common/http/limits.h"
#include "sidecar/front/config.h"
#include "sidecar/front/drain.h"
#include "sidecar/front/launcher.h"
#include "sidecar/front/lifecycle.h"
#include "sidecar/front/memory_guard.h"

namespace boost::asio {
class io_context;
}

namespace pilotlight::front {

struct FrontOptions {
  std::string data_address = ":8080";
  std::string admin_address = ":8081";
  std::string hop_address = ":8082";  // where other fronts hand requests over; empty: nowhere
  std::uint16_t peer_port = 8082;     // where this one hands them to
  bool loopback_peers = false;        // for tests, which have no other addresses; no option sets it
  std::filesystem::path state = "/var/lib/pilotlight";
  std::filesystem::path credentials = "/etc/pilotlight/credentials";
  std::filesystem::path volume = "/mnt/model";
  std::filesystem::path operator_keys = "/etc/pilotlight/operator-keys";  // whose signed calls are obeyed
  std::filesystem::path termination_log = "/dev/termination-log";
  bool access_log = true;
  MemoryGuard::Read memory = [] { return read_cgroup_memory(); };
  http::Limits limits;  // of the data port; the body's is the configuration's
  Drain::Times drain;
  std::size_t waiting_requests = 128;
};

// The front, whole: both ports, the lifecycle, the engine behind it. Everything runs on one io_context with
// one thread; only fetching has a thread of its own.
class Front {
 public:
  // The launcher must outlive it.
  Front(boost::asio::io_context& io, const Config& config, const FrontOptions& options, Launcher& launcher);
  ~Front();

  // Opens the admin port, the hop's, then the data port, then begins. The error names the port.
  std::expected<void, std::string> start();
  // Drains, if it has not begun to; `done` is called when nothing is left to do.
  void drain(std::function<void()> done);

  std::uint16_t data_port() const;
  std::uint16_t admin_port() const;
  std::uint16_t hop_port() const;  // 0: there is none
  const Lifecycle& lifecycle() const;
  // Called at each change of the phase.
  std::function<void()> changed;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace pilotlight::front
