// pilotlight-operator: flags, wiring, signals. Everything else is in the libraries.
#include <pthread.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/http/message.h"
#include "common/http/server.h"
#include "common/log/log.h"
#include "common/time/clock.h"
#include "operator/api/model_deployment.h"
#include "operator/control/key_secret.h"
#include "operator/control/perform.h"
#include "operator/control/reconciler.h"
#include "operator/control/scraper.h"
#include "operator/control/stores.h"
#include "operator/kube/client.h"
#include "operator/kube/config.h"
#include "operator/kube/connect.h"
#include "operator/kube/controller.h"
#include "operator/kube/discovery.h"
#include "operator/kube/events.h"
#include "operator/kube/health.h"
#include "operator/kube/manager.h"
#include "operator/kube/mandate.h"
#include "operator/kube/memory.h"
#include "operator/kube/metrics.h"
#include "operator/kube/work_queue.h"
#include "operator/kube/write_gate.h"

namespace pilotlight {
namespace {

struct Flags {
  std::string kubeconfig;
  std::string context;
  std::string sidecar_image;
  std::vector<std::string> namespaces;
  bool leader_elect = true;
  std::string ns;  // our own
  std::string pod;
  std::string metrics_address = ":8080";
  std::string health_address = ":8081";
  std::string log_level = "info";
  std::uint16_t sidecar_admin_port = 8081;
  int workers = 4;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "Kubeconfig file. Default: $KUBECONFIG, the pod's service account, ~/.kube/config");
  app.add_option("--context", flags.context, "Context of the kubeconfig. Default: its current one");
  app.add_option("--sidecar-image", flags.sidecar_image, "Image of the sidecars of new revisions")
      ->envname("PILOTLIGHT_SIDECAR_IMAGE")
      ->required();
  app.add_option("--watch-namespaces", flags.namespaces,
                 "Namespaces to work in, with commas between. Default: all")
      ->envname("PILOTLIGHT_WATCH_NAMESPACES")
      ->delimiter(',');
  app.add_flag("--leader-elect,!--no-leader-elect", flags.leader_elect,
               "Work only while holding the Lease pilotlight-operator. Default: yes");
  app.add_option(
         "--namespace", flags.ns,
         "Where the Lease and the key's Secret live. Default: the kubeconfig's or the pod's namespace")
      ->envname("POD_NAMESPACE");
  app.add_option("--pod-name", flags.pod, "Who we are, in the Lease and in Events. Default: the host's name")
      ->envname("POD_NAME");
  app.add_option("--metrics-bind-address", flags.metrics_address, "Where /metrics answers; 0: nowhere")
      ->capture_default_str();
  app.add_option("--health-probe-bind-address", flags.health_address,
                 "Where /healthz and /readyz answer; 0: nowhere")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--sidecar-admin-port", flags.sidecar_admin_port,
                 "Where sidecars tell their status; for tests")
      ->capture_default_str();
  app.add_option("--workers", flags.workers, "ModelDeployments that are worked on at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "pilotlight-operator";
}

// Two operators on one host, or one that was restarted, are two.
std::string Identity(const std::string& name) {
  std::random_device random;
  return name + "_" + std::to_string(random()) + std::to_string(random());
}

// SIGTERM and SIGINT ask everything to stop. Every thread inherits the mask, so only this one gets them.
std::jthread StopOnSignal(std::stop_source stop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return std::jthread([stop = std::move(stop), signals](const std::stop_token& end) mutable {
    const timespec tick{.tv_sec = 0, .tv_nsec = 200'000'000};
    while (!end.stop_requested()) {
      if (const int signal = sigtimedwait(&signals, nullptr, &tick); signal > 0) {
        log::Info("Stopping", {{"signal", signal}});
        stop.request_stop();
        return;
      }
    }
  });
}

// The manager that runs now, for a probe that may ask at any moment.
class Running {
 public:
  void Set(const kube::Manager* manager) {
    const std::scoped_lock lock(mutex_);
    manager_ = manager;
  }
  bool synced() const {
    const std::scoped_lock lock(mutex_);
    return manager_ != nullptr && manager_->synced();
  }

 private:
  mutable std::mutex mutex_;
  const kube::Manager* manager_ = nullptr;
};

std::optional<control::Resources> FindResources(const kube::ServedApis& apis) {
  constexpr std::array<std::string_view, 2> kVersions = {"v1", "v1beta1"};
  const auto models = apis.Newest(api::kGroup, api::kPlural);
  const auto budgets = apis.Newest("policy", "poddisruptionbudgets", kVersions);
  if (!models) {
    log::Error("The API server does not know ModelDeployments: apply crds/modeldeployments.yaml",
               {{"resource", std::string(api::kPlural) + "." + api::kGroup}});
    return std::nullopt;
  }
  if (!budgets) {
    log::Error("The API server serves no PodDisruptionBudget that we understand", {});
    return std::nullopt;
  }
  return control::Resources{.model_deployments = *models,
                            .budgets = *budgets,
                            .endpoint_slices = apis.Newest("discovery.k8s.io", "endpointslices", kVersions)};
}

// Asks the API server until it answers, and knows our resource.
std::optional<std::pair<control::Resources, kube::ServedApis>> Discover(kube::Client& client, Clock& clock,
                                                                        const std::stop_token& stop) {
  constexpr std::array<std::string_view, 6> kGroups = {
      "", "apps", "policy", "discovery.k8s.io", "events.k8s.io", api::kGroup};
  do {
    if (const auto apis = kube::Discover(client, kGroups, stop); !apis) {
      log::Warn("The API server cannot be asked what it serves", {{"error", kube::Describe(apis.error())}});
    } else if (const auto resources = FindResources(*apis)) {
      return std::pair(*resources, *apis);
    }
  } while (clock.Sleep(std::chrono::seconds(2), stop));
  return std::nullopt;
}

kube::Resource EventsOf(const kube::ServedApis& apis) {
  constexpr std::array<std::string_view, 2> kVersions = {"v1", "v1beta1"};
  return apis.Newest("events.k8s.io", "events", kVersions)
      .value_or(kube::Resource{"events.k8s.io", "v1", "events", "Event", true});
}

// The two ports. An address of 0 is no port.
std::vector<std::unique_ptr<http::Server>> Listen(const Flags& flags, const kube::Health& health) {
  std::vector<std::unique_ptr<http::Server>> servers;
  for (const std::string& address : {flags.metrics_address, flags.health_address}) {
    if (address == "0") continue;
    auto& server = servers.emplace_back(std::make_unique<http::Server>(
        address, [&](const http::Request& request) { return health.Handle(request); }));
    if (const auto started = server->start(); !started) {
      log::Error("Cannot listen", {{"error", started.error()}});
      return {};
    }
  }
  return servers;
}

int Work(const Flags& flags, kube::Client& client, kube::Transport& transport, const kube::Config& config,
         Clock& clock, kube::Metrics& metrics, Running& running, const std::stop_token& stop) {
  const auto found = Discover(client, clock, stop);
  if (!found) return 0;
  const auto& [resources, apis] = *found;
  const std::string name = flags.pod.empty() ? HostName() : flags.pod;
  const std::string ns = flags.ns.empty() ? config.ns : flags.ns;
  // Before it leads, and so by all who may lead: it is written once, by whoever is first.
  const control::OperatorKeys keys = control::ObtainKeys(client, {ns, control::kKeySecret}, clock, stop);

  kube::ManagerOptions options{.namespaces = flags.namespaces, .leader_election = std::nullopt};
  kube::Mandate mandate(clock);
  kube::MandatedTransport mandated(transport, mandate);
  kube::Client writer(flags.leader_elect ? static_cast<kube::Transport&>(mandated) : transport);
  if (flags.leader_elect) {
    options.leader_election = kube::LeaderElectorOptions{
        .lease = {ns, "pilotlight-operator"}, .identity = Identity(name), .mandate = &mandate};
  }
  kube::Manager manager(std::move(options), transport, client, clock, metrics);
  kube::EventRecorder events(writer, EventsOf(apis), "pilotlight.dev/operator", name, clock, metrics);
  manager.SetEventRecorder(events);
  kube::WriteGate gate(clock);

  // The queue exists once the controller does; nothing changes before the manager runs.
  kube::WorkQueue* queue = nullptr;
  const control::Stores stores = control::Watch(manager, resources, [&](const kube::Key& key, bool initial) {
    queue->Add(key, initial ? kube::kLowPriority : kube::kNormalPriority);
  });
  control::Scraper scraper({.port = flags.sidecar_admin_port,
                            .key = keys.signing,
                            .mandate = flags.leader_elect ? &mandate : nullptr,
                            .metrics = &metrics,
                            .changed = [&](const kube::Key& key) { queue->Add(key); }},
                           clock);
  control::Performer performer(writer, events, gate, stores, resources);
  control::Reconciler reconciler(stores, performer, scraper, gate,
                                 {.sidecar_image = flags.sidecar_image, .operator_keys = keys.published},
                                 clock);
  kube::Controller controller(
      {.name = "modeldeployment",
       .workers = flags.workers,
       .reconcile = [&](const kube::ReconcileContext& context) { return reconciler.Reconcile(context); },
       .gate = &gate},
      clock, metrics);
  queue = &controller.queue();
  manager.AddController(controller);

  running.Set(&manager);
  const int code = manager.Run(stop);
  running.Set(nullptr);
  return code;
}

int Main(const Flags& flags) {
  log::Configure({.level = log::ParseLevel(flags.log_level), .sink = {}});
  std::stop_source stop;
  const std::jthread signals = StopOnSignal(stop);
  Clock& clock = SystemClock();
  kube::Metrics metrics;

  const auto config = kube::LoadConfig(
      {.kubeconfig = flags.kubeconfig, .context = flags.context, .environment = kube::ProcessEnvironment()});
  if (!config) {
    log::Error("No way to the API server", {{"error", config.error()}});
    return 2;
  }
  const auto transport = kube::Connect(*config, clock, metrics);
  if (!transport) {
    log::Error("No way to the API server", {{"error", transport.error()}});
    return 2;
  }
  kube::Client client(**transport);

  Running running;
  kube::Health health(metrics);
  health.AddLive("ping", [] { return true; });
  health.AddReady("synced", [&] { return running.synced(); });
  const auto servers = Listen(flags, health);
  if (servers.empty() && (flags.metrics_address != "0" || flags.health_address != "0")) return 2;

  log::Info("Started", {{"server", config->server}, {"sidecarImage", flags.sidecar_image}});
  const int code = Work(flags, client, **transport, *config, clock, metrics, running, stop.get_token());
  log::Info("Ended", {{"code", code}});
  return code;
}

}  // namespace
}  // namespace pilotlight

int main(int argc, char** argv) {
  pilotlight::kube::KeepMemorySmall();
  CLI::App app("Pilotlight's operator: turns ModelDeployments into pods that serve them");
  pilotlight::Flags flags;
  pilotlight::Declare(app, flags);
  CLI11_PARSE(app, argc, argv);
  return pilotlight::Main(flags);
}
