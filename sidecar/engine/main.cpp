// pilotlight-engine: runs a model on behalf of pilotlight-sidecar, at the other end of file descriptor 3.

#include <ATen/Parallel.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <expected>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/log/log.h"
#include "common/text/printable.h"
#include "sidecar/engine/bundle/mapped_file.h"
#include "sidecar/engine/device/device.h"
#include "sidecar/engine/process.h"
#include "sidecar/engine/prover.h"
#include "sidecar/engine/sandbox/library.h"
#include "sidecar/engine/sandbox/sandbox.h"
#include "sidecar/engine/server.h"
#include "sidecar/wire/arena.h"
#include "sidecar/wire/failure.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;

constexpr int kDone = 0;
constexpr int kRefused = 1;     // and the reason was sent
constexpr int kProtocol = 2;    // the front spoke nonsense, or went away half-way
constexpr int kDeviceLost = 5;  // the device failed, and that was sent; 4 is the sandbox's

struct Order {
  wire::LoadRequest request;
  wire::UniqueFd model;
  std::optional<wire::Arena> arena;
};

// nullopt if the front closed its end instead: it does not need this engine any more.
std::expected<std::optional<Order>, std::string> receive_order(bool with_arena) {
  std::vector<std::byte> buffer(wire::kMaxPacketBytes);
  auto received = wire::receive_packet(wire::kEngineSocket, buffer);
  if (!received) return std::unexpected(received.error().message());
  if (received->bytes == 0) return std::nullopt;
  const auto packet = std::span<const std::byte>(buffer).first(received->bytes);
  if (wire::packet_kind(packet) != wire::Kind::kLoad) return std::unexpected("the first packet is not Load");
  const auto document = wire::packet_json(packet);
  if (!document) return std::unexpected(document.error());
  auto request = wire::load_request_from_json(*document);
  if (!request) return std::unexpected("LoadRequest, " + request.error());
  if (received->descriptors.size() != (with_arena ? 2 : 1)) {
    return std::unexpected("Load came with " + std::to_string(received->descriptors.size()) + " descriptors");
  }
  Order order{.request = *std::move(request), .model = std::move(received->descriptors[0]), .arena = {}};
  if (with_arena) {
    auto arena = wire::Arena::map(std::move(received->descriptors[1]));
    if (!arena) return std::unexpected("the arena cannot be mapped: " + arena.error().message());
    order.arena = *std::move(arena);
  }
  return order;
}

wire::FailureClass class_of(const Fault& fault, bool pinned) {
  // That a device fails says nothing certain about a revision that nobody has proven yet.
  if (fault.reason == wire::kDeviceFailed)
    return pinned ? wire::FailureClass::kPod : wire::FailureClass::kWorld;
  // Another node, or this one later, may do better.
  if (fault.reason == "OutOfMemory" || fault.reason == "SandboxUnavailable" ||
      fault.reason == "UnsupportedProcessor") {
    return wire::FailureClass::kWorld;
  }
  // Those bytes have been proven elsewhere: what fails here is this pod.
  return pinned ? wire::FailureClass::kPod : wire::FailureClass::kRevision;
}

// What a bundle's author wrote may be part of a message, and be as long as they liked.
constexpr std::size_t kMostOfAFault = 2000;

int report_failure(Fault fault, bool pinned, std::string phase) {
  if (fault.reason == "OutOfMemory" && device_present()) {
    fault.remedy += " If it was the device's: a larger one, or smaller batches.";
  }
  const wire::Failure failure{.failure_class = class_of(fault, pinned),
                              .reason = std::move(fault.reason),
                              .phase = std::move(phase),
                              .message = Printable(fault.message, kMostOfAFault),
                              .remedy = Printable(fault.remedy, kMostOfAFault)};
  const auto sent = wire::send_json(wire::kEngineSocket, wire::Kind::kFailed, wire::to_json(failure));
  return sent ? kRefused : kProtocol;
}

json loaded_document(const Proven& proven) {
  return {{"proof", to_json(proven.proof)},
          {"contract", wire::to_json(proven.contract)},
          {"timings",
           {{"load", proven.load_seconds}, {"check", proven.check_seconds}, {"warm", proven.warm_seconds}}}};
}

// What proving and serving take besides what the front sent.
struct Means {
  std::vector<std::string> sandbox;  // its layers that hold
  int library;                       // for machine code; -1: none
  Device* device;                    // null: none
};

// Returns the model if the front has been told that it may serve, else the exit code. `phase` is kept up to
// date.
std::expected<Proven, int> prove_and_report(const Order& order, const MappedFile& file, const Means& means,
                                            bool for_traffic, std::string& phase) {
  auto proven = guarded([&] {
    return prove({.file = file.bytes(),
                  .request = order.request,
                  .library = means.library,
                  .for_traffic = for_traffic,
                  .clock = [] { return std::chrono::steady_clock::now(); },
                  .enter_phase =
                      [&phase](std::string_view next) {
                        phase = next;
                        std::ignore =
                            wire::send_json(wire::kEngineSocket, wire::Kind::kProgress, {{"phase", phase}});
                      },
                  .try_graph =
                      [](wire::Graph graph, std::optional<double> within) {
                        json document = {{"graph", wire::graph_name(graph)}};
                        if (within) document["withinSeconds"] = *within;
                        std::ignore = wire::send_json(wire::kEngineSocket, wire::Kind::kProgress, document);
                      },
                  .device = means.device});
  });
  if (!proven) {
    const bool memory = proven.error().kind == RunError::Kind::kOutOfMemory;
    return std::unexpected(
        report_failure({.reason = memory ? "OutOfMemory" : "LoadFailed",
                        .message = proven.error().reason,
                        .remedy = memory ? "Give the pod more memory (template: resources.limits.memory)."
                                         : "See the pod's log."},
                       order.request.pinned, phase));
  }
  if (!*proven)
    return std::unexpected(report_failure(std::move(*proven).error(), order.request.pinned, phase));
  (*proven)->proof.sandbox = means.sandbox;
  const auto sent = wire::send_json(wire::kEngineSocket, wire::Kind::kLoaded, loaded_document(**proven));
  if (sent) return std::move(**proven);
  if (sent.error() != std::errc::message_size) return std::unexpected(kProtocol);
  return std::unexpected(
      report_failure({.reason = "InvalidContract",
                      .message = "the contract, with its labels, is too large to be reported",
                      .remedy = "Shorten the labels, or leave them out."},
                     order.request.pinned, phase));
}

struct Settings {
  bool for_traffic = false;
  int threads = 0;               // 0: as many as the cgroup's quota allows
  std::uint64_t data_bytes = 0;  // 0: no limit
  bool machine_code = false;
};

int no_sandbox(const std::string& why, bool pinned, const std::string& phase) {
  return report_failure({.reason = "SandboxUnavailable",
                         .message = "the model is not loaded, as it could not be shut in: " + why,
                         .remedy = "Use a node whose kernel and container runtime allow seccomp filters."},
                        pinned, phase);
}

int no_device(const std::string& why, bool pinned, const std::string& phase) {
  std::ignore = report_failure(
      {.reason = std::string(wire::kDeviceFailed),
       .message = why,
       .remedy =
           "It is tried again, or the pod is replaced. If it goes on, look at the node's kernel log for Xid "
           "errors."},
      pinned, phase);
  return kDeviceLost;
}

// Proves the model, and serves it if it is for that. `phase` is kept up to date.
int carry_out(Order order, const Means& means, bool for_traffic, std::string& phase) {
  const auto file = MappedFile::map(order.model.get());
  if (!file) {
    log::Error("Cannot map the model's file", {{"error", file.error().message()}});
    return kProtocol;
  }
  auto proven = prove_and_report(order, *file, means, for_traffic, phase);
  if (!proven) return proven.error();
  if (!for_traffic) return kDone;
  phase = "Ready";
  order.model.reset();
  file->forget();    // but the golden cases stay in reach
  ::malloc_trim(0);  // loading leaves as much garbage as the model is large
  Server server(std::move(proven->model), std::move(proven->contract), *std::move(order.arena),
                std::move(proven->bundle), order.request);
  return server.run(wire::kEngineSocket) == Server::End::kClosed ? kDone : kProtocol;
}

int work(const Settings& settings) {
  const bool for_traffic = settings.for_traffic;
  const int threads = settings.threads > 0 ? settings.threads : default_threads();
  prime(threads);
  std::expected<wire::UniqueFd, std::string> library;  // none
  if (settings.machine_code) library = sandbox::create_library();
  const int library_file = library ? library->get() : -1;
  std::expected<std::unique_ptr<Device>, std::string> device;
  sandbox::Options options{.socket = wire::kEngineSocket,
                           .data_bytes = settings.data_bytes,
                           // Teams of two have one size; larger ones lose threads to smaller teams, and GNU's
                           // OpenMP starts them anew.
                           .new_threads = threads > 2,
                           .library = library_file};
  // Machine code is for processors, and the weaker sandbox of a driver is not for it.
  if (!settings.machine_code && device_present()) {
    options.start_driver = [&device] { device = start_device(); };
  }
  const auto layers = sandbox::enter(options);
  auto order = receive_order(for_traffic);
  if (!order) {
    log::Error("Cannot use what the front sent", {{"error", order.error()}});
    return kProtocol;
  }
  if (!*order) return kDone;
  const wire::LoadRequest& request = (*order)->request;
  const bool pinned = request.pinned;
  std::string phase = for_traffic ? "Loading" : "Checking";
  if (!layers) return no_sandbox(layers.error(), pinned, phase);
  if (!library) return no_sandbox(library.error(), pinned, phase);
  if (!device) return no_device("the device cannot be used: " + device.error(), pinned, phase);
  // More cannot be had any longer.
  if (request.threads > 0) at::set_num_threads(std::min(static_cast<int>(request.threads), threads));
  try {
    return carry_out(*std::move(*order),
                     {.sandbox = *layers, .library = library_file, .device = device->get()}, for_traffic,
                     phase);
  } catch (const DeviceFailed& failed) {
    return no_device(failed.what(), pinned, phase);
  }
}

int run(int argc, char** argv) {
  CLI::App app("Runs a model for pilotlight-sidecar, which starts it; not meant to be started by hand.",
               "pilotlight-engine");
  app.require_subcommand(1);
  Settings settings;
  app.add_option("--threads", settings.threads, "Threads to compute with [what the cgroup's quota allows]");
  app.add_option("--data-bytes", settings.data_bytes,
                 "The most memory that it may take for itself [no limit]");
  app.add_flag("--machine-code", settings.machine_code,
               "The model may be machine code, whose author is known; nothing else");
  app.add_subcommand("check", "Load and prove the model, report, exit");
  const auto* serve = app.add_subcommand("serve", "Load and prove the model, report, then answer inferences");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  settings.for_traffic = serve->parsed();
  return work(settings);
}

}  // namespace
}  // namespace pilotlight::engine

int main(int argc, char** argv) {
  pilotlight::engine::settle_process();
  int code = 0;
  try {
    code = pilotlight::engine::run(argc, argv);
  } catch (const std::exception& error) {
    pilotlight::log::Error("The engine failed", {{"error", pilotlight::engine::one_line(error.what())}});
    code = 3;
  }
  std::fflush(nullptr);
  // No destructors: some of LibTorch's libraries crash in theirs.
  ::_exit(code);
}
