#include "plugin/rollout.h"

#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <stdexcept>

#include "common/text/printable.h"
#include "common/time/rfc3339.h"
#include "operator/plan/names.h"

namespace pilotlight::plugin {
namespace {

using nlohmann::json;

// The parts of spec that make a revision, in docs/rollouts.md's order.
constexpr std::array kRevisioned = {"model",   "contract", "validation", "warmup",
                                    "runtime", "endpoint", "template"};

constexpr std::size_t kMostShown = 2000;

const json& at(const json& object, const std::string& pointer) {
  static const json kNothing;
  const json::json_pointer path(pointer);
  return object.contains(path) ? object.at(path) : kNothing;
}
std::string raw(const json& object, const std::string& pointer) {
  const json& value = at(object, pointer);
  return value.is_string() ? value.get<std::string>() : std::string();
}
std::string shown(const std::string& text) {
  return Printable(text, kMostShown);
}
std::string text(const json& object, const std::string& pointer) {
  return shown(raw(object, pointer));
}
std::int64_t number(const json& object, const std::string& pointer) {
  const json& value = at(object, pointer);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

api::Status status_of(const json& object) {
  return api::StatusFromJson(at(object, "/status"));
}

// As kubectl: two units at most.
std::string age(api::Time::duration time) {
  const auto seconds = std::max<std::int64_t>(time.count(), 0);
  if (seconds < 120) return std::format("{}s", seconds);
  if (seconds < 3 * 3600) return std::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return std::format("{}h", seconds / 3600);
  return std::format("{}d", seconds / 86400);
}
std::optional<api::Time> moment(const std::string& text) {
  const auto time = ParseTime(text);
  if (!time) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(*time);
}

std::string short_digest(const std::string& digest) {
  return digest.substr(0, std::string("sha256:").size() + 12);
}

std::string state_of(const api::RevisionStatus& revision) {
  if (revision.aborted) return "Aborted: " + revision.aborted->reason;
  if (revision.failure) return "Failed: " + revision.failure->reason;
  return std::string(api::ToString(revision.phase));
}

// What became of the present or last canary, if `revision` was it; the status has no others.
std::string canary_of(const api::Status& status, const api::RevisionStatus& revision) {
  const auto& canary = status.rollout.canary;
  if (!canary || revision.name != status.rollout.revision || canary->steps == 0) return {};
  if (canary->step > canary->steps) return std::format(", passed all {} steps", canary->steps);
  return std::format(", {}at step {} of {}", canary->promoting ? "promoted " : "", canary->step,
                     canary->steps);
}

std::string part_of(const api::Status& status, const std::string& revision) {
  if (revision == status.stable_revision) return "stable";
  if (revision == status.candidate_revision) return "candidate";
  if (revision == status.rollout.revision) return "asked for";
  return {};
}

const json* find(const json& items, const std::string& name) {
  const auto found =
      std::ranges::find_if(items, [&](const json& item) { return text(item, "/metadata/name") == name; });
  return found == items.end() ? nullptr : &*found;
}

// Where the pods of `rs` get their requests from.
std::string place_of(const json* rs) {
  const std::string traffic =
      rs == nullptr ? std::string() : text(*rs, "/spec/template/metadata/labels/pilotlight.dev~1traffic");
  if (traffic == plan::kTrafficService) return ", in the Service";
  return traffic == plan::kTrafficSplit ? ", in the split" : "";
}

// The candidate's trial, each line with its title.
std::vector<std::string> lines_of(const api::CanaryStatus& canary, api::Time now) {
  const auto title = [](const char* name, const std::string& what) {
    return std::format("{:<8} {}", name, what);
  };
  std::string step = std::format("{} of {}", canary.step, canary.steps);
  if (canary.step > canary.steps) {
    step = std::format("all {} passed", canary.steps);
  } else if (canary.promoting) {
    step += ", and no more: it becomes the stable revision";
  } else if (canary.step == 0) {
    step = "none has begun";
  } else if (canary.step_since) {
    step += std::format(", with its weight since {}", age(now - *canary.step_since));
  } else {
    step += ", on its way to its weight";
  }
  std::vector<std::string> lines = {title("step", step)};
  lines.push_back(
      title("weight", std::format("{} % desired, {} % applied, {} observed", canary.desired, canary.applied,
                                  canary.observed.empty() ? "nothing" : shown(canary.observed) + " %")));
  if (canary.verdict.empty()) return lines;
  std::string judged = shown(canary.verdict);
  if (!canary.reason.empty()) judged += ", " + shown(canary.reason) + ": " + shown(canary.message);
  lines.push_back(title("verdict", judged));
  return lines;
}

void add_branches(std::string& out, const std::string& indent, const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i)
    out += indent + (i + 1 < lines.size() ? "├── " : "└── ") + lines[i] + "\n";
}

// Where the rollout stands and what it waits for, or why it is over.
std::string standing(const api::RolloutStatus& rollout) {
  std::string out(api::ToString(rollout.phase));
  const auto& canary = rollout.canary;
  const bool on_trial = rollout.phase == api::Phase::kCanary || rollout.phase == api::Phase::kPaused;
  if (on_trial && canary && canary->step > 0)
    out += std::format(" at step {} of {}", canary->step, canary->steps);
  if (!rollout.reason.empty() && rollout.reason != api::ToString(rollout.phase))
    out += ": " + shown(rollout.reason);
  if (!rollout.message.empty()) out += ": " + shown(rollout.message);
  return out;
}

std::string line_of(const api::Condition* condition, const char* title) {
  if (condition == nullptr) return {};
  const char* holds = condition->status == api::ConditionStatus::kTrue    ? "yes"
                      : condition->status == api::ConditionStatus::kFalse ? "no"
                                                                          : "not known";
  return std::format("{:<11} {:<10} {}\n", title, holds, shown(condition->message));
}

}  // namespace

Answer answer_of(const json& object, std::string_view type) {
  const api::Status status = status_of(object);
  const api::Condition* condition = status.Find(type);
  if (condition == nullptr || condition->observed_generation != number(object, "/metadata/generation"))
    return {.why = "the operator has not looked at this version of spec yet"};
  Answer answer{.why = condition->reason + ": " + shown(condition->message)};
  if (condition->status == api::ConditionStatus::kTrue) {
    answer.outcome = Outcome::kAccepted;
    return answer;
  }
  if (type == "Ready") return answer;  // whatever serves, and a rollout says nothing of that
  const bool over = api::IsOver(status.rollout.phase);
  if (over) answer.outcome = Outcome::kRejected;
  if (over || type == "UpToDate") answer.why = standing(status.rollout);
  return answer;
}

std::string status_text(const json& object, const json& replica_sets, api::Time now) {
  const api::Status status = status_of(object);
  const auto& rollout = status.rollout;
  std::string out = std::format(
      "{}  {}  {}\n", text(object, "/metadata/name"),
      rollout.phase == api::Phase::kNone ? "not looked at yet" : api::ToString(rollout.phase), status.url);
  std::vector<const api::RevisionStatus*> rows;
  for (const api::RevisionStatus& revision : status.revisions) {
    const json* rs = find(replica_sets, revision.name);
    const bool has_pods = rs != nullptr && number(*rs, "/spec/replicas") > 0;
    if (has_pods || !part_of(status, revision.name).empty()) rows.push_back(&revision);
  }
  for (const api::RevisionStatus* revision : rows) {
    const bool last = revision == rows.back();
    const json* rs = find(replica_sets, revision->name);
    out +=
        std::format("{}{}  {:<9}  {}/{} pods ready{}  {}  {}\n", last ? "└── " : "├── ", revision->name,
                    part_of(status, revision->name), rs == nullptr ? 0 : number(*rs, "/status/readyReplicas"),
                    rs == nullptr ? 0 : number(*rs, "/spec/replicas"), place_of(rs), state_of(*revision),
                    short_digest(revision->digest));
    if (rollout.canary && revision->name == status.candidate_revision)
      add_branches(out, last ? "    " : "│   ", lines_of(*rollout.canary, now));
  }
  out += line_of(status.Find("Ready"), "Ready");
  out += line_of(status.Find("UpToDate"), "Up to date");
  out += line_of(status.Find("Stalled"), "Stalled");
  if (!rollout.reason.empty() && !api::IsOver(rollout.phase)) {
    out += std::format("{:<11} {}: {}", "Waits for", rollout.reason, shown(rollout.message));
    if (rollout.since) out += std::format(" ({} so far", age(now - *rollout.since));
    if (rollout.since && rollout.deadline)
      out += std::format(", deadline in {}", age(*rollout.deadline - now));
    out += rollout.since ? ")\n" : "\n";
  }
  if (!rollout.ignored.empty()) out += std::format("{:<11} {}\n", "Ignored", shown(rollout.ignored));
  return out;
}

std::string history_text(const json& object, const json& config_maps, api::Time now) {
  const api::Status status = status_of(object);
  std::string out = std::format("{:<44} {:<10} {:<6} {:<40} {:<20} {}\n", "REVISION", "PART", "AGE", "STATE",
                                "DIGEST", "MODEL");
  for (const api::RevisionStatus& revision : status.revisions) {
    const json* config = find(config_maps, revision.name);
    const auto made = config == nullptr ? std::nullopt : moment(text(*config, "/metadata/creationTimestamp"));
    const json was =
        config == nullptr ? json() : json::parse(raw(*config, "/data/revision.json"), nullptr, false);
    out +=
        std::format("{:<44} {:<10} {:<6} {:<40} {:<20} {}\n", revision.name, part_of(status, revision.name),
                    made ? age(now - *made) : "gone", state_of(revision) + canary_of(status, revision),
                    short_digest(revision.digest), text(was, "/model/uri"));
  }
  return out;
}

json abort_patch(const json& object) {
  const std::string candidate = status_of(object).candidate_revision;
  if (candidate.empty()) throw std::runtime_error("there is nothing to abort: no revision is on its way");
  return {{"spec", {{"rollout", {{"abort", candidate}}}}}};
}

json promote_patch(const json& object) {
  const api::Status status = status_of(object);
  const std::string& candidate = status.candidate_revision;
  if (candidate.empty()) throw std::runtime_error("there is nothing to promote: no revision is on its way");
  if (status.stable_revision.empty()) {
    throw std::runtime_error("there is nothing to promote: " + candidate +
                             " is the first revision, and becomes the stable one by itself");
  }
  if (text(object, "/spec/rollout/strategy") != "Canary") {
    throw std::runtime_error("there is nothing to promote: " + candidate +
                             " is no canary (spec.rollout.strategy), and goes on by itself");
  }
  return {{"spec", {{"rollout", {{"promote", candidate}}}}}};
}

json retry_patch(const json& object, const std::string& token) {
  const api::Status status = status_of(object);
  const api::RevisionStatus* revision = status.FindRevision(status.rollout.revision);
  if (revision == nullptr || (!revision->failure && !revision->aborted)) {
    throw std::runtime_error(
        "there is nothing to try again: the revision that spec asks for has neither failed nor been "
        "aborted");
  }
  json rollout = {{"retry", token}};
  if (text(object, "/spec/rollout/abort") == revision->name) rollout["abort"] = nullptr;  // or that would win
  return {{"spec", {{"rollout", std::move(rollout)}}}};
}

json pause_patch(bool paused) {
  return {{"spec", {{"rollout", {{"paused", paused ? json(true) : json()}}}}}};
}

std::string rollback_target(const json& object, const json& config_maps, const std::string& wanted) {
  const api::Status status = status_of(object);
  for (const api::RevisionStatus& revision : status.revisions) {
    if (wanted.empty() ? revision.name == status.rollout.revision : revision.name != wanted) continue;
    const bool usable = revision.phase == api::RevisionPhase::kProven && !revision.aborted;
    if (wanted.empty() && !usable) continue;
    if (!usable) throw std::runtime_error(revision.name + " cannot serve: " + state_of(revision));
    if (find(config_maps, revision.name) == nullptr) continue;
    return revision.name;
  }
  throw std::runtime_error(wanted.empty()
                               ? "there is no proven revision to go back to"
                               : "there is no revision " + wanted + "; see: kubectl pilotlight history");
}

json rollback_patch(const json& object, const json& config_map) {
  const json was = json::parse(raw(config_map, "/data/revision.json"), nullptr, false);
  if (!was.is_object() || !was.contains("model")) {
    throw std::runtime_error(text(config_map, "/metadata/name") + " does not say what it was");
  }
  json patch = json::array();
  // Nobody has written another spec since; the status, which the operator writes all the time, does not
  // matter.
  patch.push_back(
      {{"op", "test"}, {"path", "/metadata/generation"}, {"value", at(object, "/metadata/generation")}});
  for (const char* part : kRevisioned) {
    const std::string path = std::string("/spec/") + part;
    if (was.contains(part)) {
      patch.push_back({{"op", "add"}, {"path", path}, {"value", was[part]}});  // replaces what is there
    } else if (object.contains(json::json_pointer(path))) {
      patch.push_back({{"op", "remove"}, {"path", path}});
    }
  }
  return patch;
}

std::string_view other_manager(const json& object) {
  const auto has = [](const json& map, std::string_view prefix) {
    return map.is_object() &&
           std::ranges::any_of(map.items(), [&](const auto& item) { return item.key().starts_with(prefix); });
  };
  for (const char* map : {"/metadata/labels", "/metadata/annotations"}) {
    if (has(at(object, map), "argocd.argoproj.io/")) return "Argo CD";
    if (has(at(object, map), "kustomize.toolkit.fluxcd.io/") ||
        has(at(object, map), "helm.toolkit.fluxcd.io/")) {
      return "Flux";
    }
  }
  return {};
}

}  // namespace pilotlight::plugin
