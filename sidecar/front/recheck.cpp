#include "sidecar/front/recheck.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/log/log.h"
#include "common/text/printable.h"
#include "common/time/rfc3339.h"
#include "sidecar/wire/messages.h"

namespace pilotlight::front {
namespace {

// What an engine says is cut: it may be anybody's by now.
constexpr std::size_t kMostText = 2000;

// How near an error came to what is allowed.
double share(const nlohmann::json& worst) {
  const auto number = [&](const char* name) {
    const auto found = worst.find(name);
    return found != worst.end() && found->is_number() ? found->get<double>() : 0;
  };
  const double allowed = number("allowed");
  return allowed > 0 ? number("error") / allowed : number("error");
}

// Of the proof's worstError what it is made of, and nothing that is large.
nlohmann::json kept(const nlohmann::json& worst) {
  auto result = nlohmann::json::object();
  for (const auto& [name, value] : worst.items()) {
    const bool number = name == "expected" || name == "actual" || name == "error" || name == "allowed";
    if (number && value.is_number()) result[name] = value;
    if ((name == "case" || name == "tensor") && value.is_string()) {
      result[name] = Printable(value.get_ref<const std::string&>(), 200);
    }
    const auto whole = [](const nlohmann::json& each) { return each.is_number_integer(); };
    if (name == "index" && value.is_array() && value.size() <= wire::kMaxRank &&
        std::ranges::all_of(value, whole)) {
      result[name] = value;
    }
  }
  return result;
}

wire::Failure failure_of(const wire::Failure& told) {
  return {
      .failure_class = wire::FailureClass::kPod,
      .reason = Printable(told.reason, 100),
      .phase = std::string(phase_name(Phase::kReady)),
      .message = Printable(told.message, kMostText),
      .remedy =
          "These bytes gave the golden answers when this pod proved itself: look at the node's hardware, or "
          "for what in the model changes from request to request."};
}

}  // namespace

Recheck::Recheck(Timers& timers, std::chrono::duration<double> interval, Outlets outlets)
    : timers_(timers), interval_(interval), outlets_(std::move(outlets)) {}

void Recheck::serving(std::uint64_t cases) {
  cases_ = cases;
  wait();
}

void Recheck::lost() {
  cases_ = 0;
  next_.reset();
}

void Recheck::wait() {
  next_.reset();
  if (interval_.count() <= 0 || cases_ == 0) return;
  next_ = timers_.after(interval_, [this] { begin(); });
}

void Recheck::begin() {
  at_ = 0;
  worst_ = nullptr;
  ask(false);
}

void Recheck::ask(bool again) {
  asked_ = timers_.now();
  const bool asking = outlets_.ask(at_, [this, again](const wire::Rechecked* result) {
    // With the engine the case is lost; another one proves itself first.
    if (result != nullptr) answered(*result, again);
  });
  if (!asking) wait();
}

void Recheck::answered(const wire::Rechecked& result, bool again) {
  if (result.failure && result.failure->reason == "OutOfMemory") {
    log::Warn("A golden case could not be run again for want of memory", {});
    return wait();
  }
  if (result.failure && !again) {
    log::Warn(
        "A golden case fails; it is run once more",
        {{"reason", result.failure->reason}, {"message", Printable(result.failure->message, kMostText)}});
    return ask(true);
  }
  if (result.failure) {
    const auto failure = failure_of(*result.failure);
    log::Error("The golden answers are given no longer",
               {{"reason", failure.reason}, {"message", failure.message}});
    outlets_.ended({.at = timers_.wall(), .cases = at_ + 1, .worst_error = {}, .failure = failure});
    return wait();
  }
  if (again) {
    log::Warn("The golden case passes this time", {{"case", Printable(result.golden_case, kMostText)}});
    outlets_.unconfirmed();
  }
  if (worst_.is_null() || share(result.worst_error) > share(worst_)) worst_ = kept(result.worst_error);
  if (++at_ < cases_) {
    next_ = timers_.after((timers_.now() - asked_) * kPausesForEachGoldenCase, [this] { ask(false); });
    return;
  }
  log::Info("The golden answers are still given", {{"cases", cases_}});
  outlets_.ended({.at = timers_.wall(), .cases = cases_, .worst_error = worst_, .failure = {}});
  wait();
}

nlohmann::json to_json(const RecheckReport& report) {
  nlohmann::json document = {{"at", FormatTime(report.at)},
                             {"result", report.failure ? "Failed" : "Passed"},
                             {"cases", report.cases}};
  if (!report.worst_error.is_null()) document["worstError"] = report.worst_error;
  if (report.failure) document["failure"] = wire::to_json(*report.failure);
  return document;
}

}  // namespace pilotlight::front
