// pilotlight-sidecar: the front of a serving pod, and of a model on a laptop.

#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <format>
#include <fstream>
#include <iostream>
#include <sstream>

#include "common/log/log.h"
#include "sidecar/front/children.h"
#include "sidecar/front/config.h"
#include "sidecar/front/documents.h"
#include "sidecar/front/front.h"
#include "sidecar/front/launcher.h"
#include "sidecar/front/scratch_folder.h"
#include "sidecar/front/sizes.h"
#include "sidecar/front/version.h"

namespace {

using namespace pilotlight;         // NOLINT(google-build-using-namespace)
using namespace pilotlight::front;  // NOLINT(google-build-using-namespace)

struct Arguments {
  std::string config;
  std::string model;
  std::string bind;
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 8081;
  std::uint16_t hop_port = 8082;
  std::filesystem::path engine;
  std::filesystem::path state;
  std::filesystem::path credentials;
  std::filesystem::path operator_keys = "/etc/pilotlight/operator-keys";
  std::vector<std::filesystem::path> public_keys;
  std::string signature;
  std::string format;
  std::filesystem::path termination_log = "/dev/termination-log";
  std::string log_level = "info";
  bool no_access_log = false;
};

void describe(CLI::App& app, Arguments& arguments) {
  app.description("Serves a PyTorch model once it has proven itself.");
  auto* source = app.add_option_group("what to serve")->require_option(1);
  auto* model =
      source->add_option("--model", arguments.model,
                         "A bundle, or a TorchScript or ONNX file: a path or a URI. No cluster needed");
  source->add_option("--config", arguments.config, "config.json of a revision, as the operator writes it");
  app.add_option("--bind", arguments.bind, "Address to listen on [127.0.0.1 with --model, else every one]");
  app.add_option("--port", arguments.port, "Data port")->capture_default_str();
  app.add_option("--admin-port", arguments.admin_port,
                 "Admin port: livez, readyz, status, metrics, signed calls")
      ->capture_default_str();
  app.add_option(
         "--hop-port", arguments.hop_port,
         "Port on which pods of one model hand requests to each other; the same in all. Not with --model")
      ->capture_default_str();
  app.add_option("--engine", arguments.engine, "The engine's program [pilotlight-engine beside this one]");
  app.add_option("--state-dir", arguments.state,
                 "Scratch folder [/var/lib/pilotlight; with --model a temporary one]");
  app.add_option("--credentials-dir", arguments.credentials,
                 "Folder with token, or username and password, and ca.crt [/etc/pilotlight/credentials]");
  app.add_option("--operator-keys-dir", arguments.operator_keys,
                 "Folder with the public keys (PEM) of the operator, whose signed calls are obeyed")
      ->capture_default_str();
  auto* keys = app.add_option("--public-key", arguments.public_keys,
                              "File with a public key (PEM); serve only what its owner has signed. May be "
                              "given several times: any of them is enough")
                   ->needs(model);
  app.add_option("--signature", arguments.signature, "The signature's path or URI [the model's and .sig]")
      ->needs(keys);
  app.add_option("--format", arguments.format,
                 "What the model must be [what it is]. AOTInductor is machine code, and needs --public-key")
      ->needs(model)
      ->check(CLI::IsMember({"TorchScript", "ONNX", "AOTInductor"}));
  app.add_option("--termination-log", arguments.termination_log, "The container's termination message")
      ->capture_default_str();
  app.add_option("--log-level", arguments.log_level, "debug, info, warn or error")->capture_default_str();
  app.add_flag("--no-access-log", arguments.no_access_log, "Do not log requests");
  app.set_version_flag("--version", kVersion);
}

Config read_config(const Arguments& arguments) {
  if (!arguments.model.empty()) {
    auto config = laptop_config(arguments.model);
    config.load.format = wire::model_format_from_name(arguments.format);
    if (!arguments.public_keys.empty()) {
      auto demand = demand_from_files(arguments.model, arguments.public_keys, arguments.signature);
      if (!demand) throw std::runtime_error(demand.error());
      config.signature = *std::move(demand);
    }
    return config;
  }
  std::ifstream file(arguments.config);
  if (!file) throw std::runtime_error(std::format("cannot read '{}'", arguments.config));
  std::ostringstream text;
  text << file.rdbuf();
  auto config = parse_config(text.str(), [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
  if (!config) throw std::runtime_error(config.error());
  return *std::move(config);
}

std::string address(const std::string& host, std::uint16_t port) {
  return host.contains(':') ? std::format("[{}]:{}", host, port) : std::format("{}:{}", host, port);
}

// On a laptop: where to send what.
void greet(const Front& front) {
  const auto status = front.lifecycle().status();
  if (status.phase == Phase::kFailed && status.failure) {
    std::cerr << std::format("\n{}: {}\n{}\n", status.failure->reason, status.failure->message,
                             status.failure->remedy);
  }
  if (!status.ready() || !status.contract) return;
  const auto url = std::format("http://127.0.0.1:{}", front.data_port());
  std::cout << std::format("\n{} is proven ({}) and served. Try:\n\n",
                           front.lifecycle().config().identity.name, status.proof.value("level", "Loaded"));
  if (const auto example = example_instance(*status.contract); !example.empty()) {
    std::cout << std::format("  curl -s {}/predict -H 'content-type: application/json' -d '{}'\n", url,
                             example);
  }
  std::cout << std::format("  curl -s {}/openapi.json\n  curl -s http://127.0.0.1:{}/status\n\n", url,
                           front.admin_port())
            << std::flush;
}

int run(Arguments& arguments) {
  const bool laptop = !arguments.model.empty();
  const auto config = read_config(arguments);
  std::optional<ScratchFolder> scratch;
  if (arguments.state.empty() && laptop) scratch.emplace();

  FrontOptions options;
  if (arguments.bind.empty() && laptop) arguments.bind = "127.0.0.1";
  options.data_address = address(arguments.bind, arguments.port);
  options.admin_address = address(arguments.bind, arguments.admin_port);
  if (!arguments.state.empty()) options.state = arguments.state;
  if (scratch) options.state = scratch->path();
  if (!arguments.credentials.empty() || laptop) options.credentials = arguments.credentials;
  options.hop_address = laptop ? std::string() : address(arguments.bind, arguments.hop_port);
  options.peer_port = arguments.hop_port;
  options.operator_keys = laptop ? std::filesystem::path() : arguments.operator_keys;
  options.termination_log = laptop ? std::filesystem::path() : arguments.termination_log;
  options.access_log = !arguments.no_access_log;
  if (laptop) options.drain = {.quiet = {}, .least = {}, .most = {}};  // nobody else sends requests here
  if (arguments.engine.empty()) {
    arguments.engine = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "pilotlight-engine";
  }

  boost::asio::io_context io{1};
  Children children(io);
  SpawnLauncher launcher(children, arguments.engine, engine_settings(config));
  Front front(io, config, options, launcher);
  if (laptop) front.changed = [&front] { greet(front); };

  boost::asio::signal_set stop(io, SIGTERM, SIGINT);
  stop.async_wait([&](boost::system::error_code failed, int) {
    if (failed) return;
    front.drain([&io] { io.stop(); });
    // Whoever asks twice will not wait.
    stop.async_wait([&io](boost::system::error_code cancelled, int) {
      if (!cancelled) io.stop();
    });
  });
  if (const auto started = front.start(); !started) throw std::runtime_error(started.error());
  io.run();
  return 0;
}

// One arena, and large bodies returned at once: what a burst took is not kept.
void tune_allocator() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

}  // namespace

int main(int argc, char** argv) try {
  tune_allocator();
  std::signal(SIGPIPE, SIG_IGN);
  Arguments arguments;
  CLI::App app;
  describe(app, arguments);
  CLI11_PARSE(app, argc, argv);
  log::Configure({.level = log::ParseLevel(arguments.log_level)});
  return run(arguments);
} catch (const std::exception& error) {
  std::cerr << "pilotlight-sidecar: " << error.what() << '\n';
  return 1;
}
