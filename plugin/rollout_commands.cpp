#include "plugin/rollout_commands.h"

#include <chrono>
#include <format>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "operator/api/duration.h"
#include "operator/plan/names.h"
#include "plugin/kubectl.h"
#include "plugin/rollout.h"

namespace pilotlight::plugin {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr char kResource[] = "modeldeployments.pilotlight.dev";

constexpr int kAccepted = 0;
constexpr int kRejected = 1;
constexpr int kTimedOut = 2;

// What all of these commands take: the object, and kubectl's own options.
struct Target {
  std::string name;
  std::string ns;
  std::string context;
  std::string kubeconfig;

  Kubectl kubectl() const {
    std::vector<std::string> flags;
    const auto add = [&](const char* flag, const std::string& value) {
      if (!value.empty()) flags.insert(flags.end(), {flag, value});
    };
    add("--namespace", ns);
    add("--context", context);
    add("--kubeconfig", kubeconfig);
    return Kubectl(std::move(flags));
  }
};

CLI::App& command(CLI::App& app, const char* name, const char* what, Target& target) {
  CLI::App& added = *app.add_subcommand(name, what);
  added.add_option("name", target.name, "The ModelDeployment")->required();
  added.add_option("-n,--namespace", target.ns, "Its namespace [that of the current context]");
  added.add_option("--context", target.context, "The kubeconfig's context [the current one]");
  added.add_option("--kubeconfig", target.kubeconfig, "The kubeconfig [as kubectl finds it]");
  return added;
}

api::Time now() {
  return std::chrono::floor<seconds>(std::chrono::system_clock::now());
}

json children(const Kubectl& kubectl, const char* kind, const std::string& name) {
  const std::string selector = std::string(plan::kInstanceLabel) + "=" + name + "," + plan::kManagedByLabel +
                               "=" + plan::kManagedByValue;
  return kubectl.get({kind, "-l", selector}).value("items", json::array());
}

int status(const Target& target, bool watch) {
  const Kubectl kubectl = target.kubectl();
  const auto show = [&](const json& object) {
    std::cout << status_text(object, children(kubectl, "replicasets", target.name), now()) << std::flush;
  };
  if (!watch) {
    show(kubectl.get({kResource, target.name}));
    return kAccepted;
  }
  kubectl.watch(target.name, std::chrono::hours(24), [&](const json& object) {
    show(object);
    std::cout << '\n';
    return true;
  });
  return kAccepted;
}

int history(const Target& target) {
  const Kubectl kubectl = target.kubectl();
  std::cout << history_text(kubectl.get({kResource, target.name}),
                            children(kubectl, "configmaps", target.name), now());
  return kAccepted;
}

int wait(const Target& target, const std::string& condition, const std::string& timeout) {
  const auto length = api::ParseDuration(timeout);
  if (!length)
    throw std::runtime_error("--timeout must be a duration from 1s to 24h such as 30s, 5m or 1h30m");
  Answer answer;
  const bool decided = target.kubectl().watch(target.name, *length, [&](const json& object) {
    answer = answer_of(object, condition);
    return answer.outcome == Outcome::kPending;
  });
  if (!decided) {
    std::cout << "timed out after " << timeout << (answer.why.empty() ? "" : "; " + answer.why) << '\n';
    return kTimedOut;
  }
  std::cout << answer.why << '\n';
  return answer.outcome == Outcome::kAccepted ? kAccepted : kRejected;
}

int patch(const Target& target, const std::string& done, const std::function<json(const json&)>& make) {
  const Kubectl kubectl = target.kubectl();
  const json object = kubectl.get({kResource, target.name});
  if (const auto who = other_manager(object); !who.empty()) {
    std::cerr << "warning: " << who << " manages " << target.name
              << ", and may write its spec again from where that is kept: change it there as well\n";
  }
  const json change = make(object);
  kubectl.patch(target.name, change.is_array() ? "json" : "merge", change);
  std::cout << target.name << ' ' << done << '\n';
  return kAccepted;
}

int promote(const Target& target) {
  return patch(
      target, "is being promoted; to follow it: kubectl pilotlight status " + target.name + " --watch",
      [&](const json& object) {
        json change = promote_patch(object);
        if (object.value(json::json_pointer("/spec/rollout/paused"), false)) {
          std::cerr << "note: spec.rollout.paused holds it; to let it go on: kubectl pilotlight resume "
                    << target.name << '\n';
        }
        return change;
      });
}

int rollback(const Target& target, const std::string& wanted) {
  const json configs = children(target.kubectl(), "configmaps", target.name);
  return patch(target, "goes back; to follow it: kubectl pilotlight status " + target.name + " --watch",
               [&](const json& object) {
                 const std::string revision = rollback_target(object, configs, wanted);
                 for (const json& config : configs) {
                   if (config["metadata"]["name"] == revision) return rollback_patch(object, config);
                 }
                 throw std::logic_error("the target is one of them");
               });
}

}  // namespace

void add_rollout_commands(CLI::App& app, std::function<int()>& run) {
  const auto add = [&](const char* name, const char* what, const std::function<int(const Target&)>& act) {
    const auto target = std::make_shared<Target>();
    CLI::App& added = command(app, name, what, *target);
    added.callback([target, act, &run] { run = [target, act] { return act(*target); }; });
    return &added;
  };
  const auto watch = std::make_shared<bool>(false);
  add("status", "What serves, what is on its way, and what it waits for", [watch](const Target& t) {
    return status(t, *watch);
  })->add_flag("-w,--watch", *watch, "Again at each change");
  add("history", "The revisions that are kept, and what became of them", history);
  const auto condition = std::make_shared<std::string>("UpToDate");
  const auto timeout = std::make_shared<std::string>("10m");
  auto* waiting = add(
      "wait", "Until spec is what serves. Ends with 0 if it is, 1 if it was rejected, 2 after the timeout",
      [condition, timeout](const Target& t) { return wait(t, *condition, *timeout); });
  waiting->add_option("--for", *condition, "The condition")
      ->check(CLI::IsMember({"UpToDate", "Ready", "Validated"}))
      ->capture_default_str();
  waiting->add_option("--timeout", *timeout, "How long, e.g. 90s")->capture_default_str();
  add("pause", "Hold the rollout where it is",
      [](const Target& t) { return patch(t, "paused", [](const json&) { return pause_patch(true); }); });
  add("resume", "Let a paused rollout go on",
      [](const Target& t) { return patch(t, "resumed", [](const json&) { return pause_patch(false); }); });
  add("promote", "Make a canary the stable revision, without further steps", promote);
  add("abort", "Take the candidate back; the stable revision serves on",
      [](const Target& t) { return patch(t, "is being taken back", abort_patch); });
  add("retry", "Try a revision again that failed or was aborted", [](const Target& t) {
    return patch(t, "is tried again", [](const json& object) {
      return retry_patch(object, std::format("{}", now().time_since_epoch().count()));
    });
  });
  const auto revision = std::make_shared<std::string>();
  add("rollback", "Make spec what an older revision was", [revision](const Target& t) {
    return rollback(t, *revision);
  })->add_option("--to", *revision, "The revision [the newest proven one that spec does not ask for]");
}

}  // namespace pilotlight::plugin
