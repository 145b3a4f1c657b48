#include "operator/control/decode.h"

#include <simdjson.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "common/text/printable.h"
#include "common/time/rfc3339.h"
#include "operator/api/parse.h"
#include "operator/plan/names.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// A place in a document that may not exist; everything read from one that does not is empty.
class Node {
 public:
  Node() = default;
  explicit Node(element value) : value_(value) {}

  Node operator[](std::string_view key) const {
    object fields;
    element child;
    if (!value_ || value_->get(fields) != simdjson::SUCCESS) return {};
    return fields.at_key(key).get(child) == simdjson::SUCCESS ? Node(child) : Node();
  }
  std::string Text() const {
    std::string_view text;
    return value_ && value_->get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
  }
  std::int64_t Number() const {
    std::int64_t number = 0;
    return value_ && value_->get(number) == simdjson::SUCCESS ? number : 0;
  }
  bool True() const {
    bool value = false;
    return value_ && value_->get(value) == simdjson::SUCCESS && value;
  }
  std::optional<api::Time> Moment() const {
    const auto time = ParseTime(Text());
    if (!time) return std::nullopt;
    return std::chrono::floor<std::chrono::seconds>(*time);
  }
  bool exists() const { return value_.has_value() && !value_->is_null(); }
  template <typename F>
  void Each(F visit) const {
    array items;
    if (!value_ || value_->get(items) != simdjson::SUCCESS) return;
    for (const element item : items) visit(Node(item));
  }
  // The item of a list whose `key` is `text`.
  Node Where(std::string_view key, std::string_view text) const {
    Node found;
    Each([&](Node item) {
      if (!found.exists() && item[key].Text() == text) found = item;
    });
    return found;
  }
  json ToJson() const { return exists() ? json::parse(simdjson::minify(*value_)) : json(); }

 private:
  std::optional<element> value_;
};

std::expected<Node, std::string> Root(kube::Json text) {
  // One parser a thread: its buffers are as large as the largest object that it has met.
  thread_local simdjson::dom::parser parser;
  element root;
  const bool copy = text.capacity < text.text.size() + simdjson::SIMDJSON_PADDING;
  if (const auto error = parser.parse(text.text.data(), text.text.size(), copy).get(root);
      error != simdjson::SUCCESS) {
    return std::unexpected(std::string("no JSON: ") + simdjson::error_message(error));
  }
  if (!root.is_object()) return std::unexpected("not a JSON object");
  return Node(root);
}

api::ChildMeta Meta(Node root) {
  const Node meta = root["metadata"];
  const Node labels = meta["labels"];
  api::ChildMeta out{.name = meta["name"].Text(),
                     .ns = meta["namespace"].Text(),
                     .uid = meta["uid"].Text(),
                     .resource_version = meta["resourceVersion"].Text(),
                     .owner_uid = {},
                     .owner_name = {},
                     .instance = labels[plan::kInstanceLabel].Text(),
                     .revision = labels[plan::kRevisionLabel].Text(),
                     .created = meta["creationTimestamp"].Moment().value_or(api::Time()),
                     .deleting = meta["deletionTimestamp"].exists()};
  meta["ownerReferences"].Each([&](Node owner) {
    if (!owner["controller"].True()) return;
    out.owner_uid = owner["uid"].Text();
    out.owner_name = owner["name"].Text();
  });
  return out;
}

// Fills `make(root, meta)` from the text.
template <typename T, typename F>
std::expected<T, std::string> Decode(kube::Json text, F fill) {
  const auto root = Root(text);
  if (!root) return std::unexpected(root.error());
  T out;
  out.meta = Meta(*root);
  fill(*root, out);
  return out;
}

json Port(Node port) {
  json out = {{"port", port["port"].Number()}};
  if (port["name"].exists()) out["name"] = port["name"].Text();
  out["protocol"] = port["protocol"].exists() ? port["protocol"].Text() : "TCP";
  out["targetPort"] = port["targetPort"].ToJson();
  return out;
}

void ReadContainer(Node status, api::Pod& pod) {
  pod.container_id = status["containerID"].Text();
  pod.running = status["state"]["running"].exists();
  pod.started = status["state"]["running"]["startedAt"].Moment();
  const Node waiting = status["state"]["waiting"];
  pod.waiting_reason = waiting["reason"].Text();
  pod.waiting_message = waiting["message"].Text();
  const Node now = status["state"]["terminated"];
  const Node last = now.exists() ? now : status["lastState"]["terminated"];
  pod.last_exit_reason = last["reason"].Text();
  pod.last_exit_code = last["exitCode"].Number();
  pod.last_exit_message = last["message"].Text();
  pod.restarts = status["restartCount"].Number();
}

constexpr std::size_t kMostText = 1024;
constexpr std::size_t kMostProof = 16 * 1024;
constexpr const char* kProofFields[] = {"level",     "format",     "digest", "signature", "cases",
                                        "tolerance", "worstError", "warmup", "runtime",   "graphs",
                                        "sandbox",   "exporter",   "drift",  "warnings"};

// Cut, and without what would garble a terminal.
std::string Clean(const std::string& text) {
  return Printable(text, kMostText, "\n");
}

// Without null and empty text: API servers before 1.21 do not keep them, and a status that never comes back
// as it was written would be written for ever.
void DropEmpty(json& value) {
  if (!value.is_structured()) return;
  for (json& item : value) DropEmpty(item);
  if (!value.is_object()) return;
  const auto empty = [](const json& item) {
    return item.is_null() || (item.is_string() && item.get_ref<const std::string&>().empty());
  };
  for (auto it = value.begin(); it != value.end();) it = empty(*it) ? value.erase(it) : std::next(it);
}

json Proof(Node proof) {
  if (!proof.exists()) return {};
  json out = json::object();
  for (const char* field : kProofFields) {
    if (proof[field].exists()) out[field] = proof[field].ToJson();
  }
  DropEmpty(out);
  if (out.dump(-1, ' ', false, json::error_handler_t::replace).size() <= kMostProof) return out;
  // What decisions are made by stays.
  out = {{"level", Clean(proof["level"].Text())}, {"digest", Clean(proof["digest"].Text())}};
  if (const Node by = proof["signature"]; by.exists()) {
    out["signature"] = {{"keyId", Clean(by["keyId"].Text())}, {"subject", Clean(by["subject"].Text())}};
  }
  DropEmpty(out);
  return out;
}

std::optional<api::Failure> Failure(Node in) {
  if (!in.exists()) return std::nullopt;
  return api::Failure{.klass = Clean(in["class"].Text()),
                      .reason = Clean(in["reason"].Text()),
                      .phase = Clean(in["phase"].Text()),
                      .message = Clean(in["message"].Text()),
                      .remedy = Clean(in["remedy"].Text())};
}

}  // namespace

std::expected<api::ModelDeployment, std::string> DecodeModelDeployment(kube::Json object) {
  // Most of the bytes of an object that was applied by hand.
  const auto without_managed_fields = [](int depth, json::parse_event_t event, json& parsed) {
    return !(event == json::parse_event_t::key && depth == 2 && parsed == "managedFields");
  };
  const json parsed = json::parse(object.text, without_managed_fields, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return std::unexpected("not a JSON object");
  return api::Parse(parsed);
}

std::expected<api::ConfigMap, std::string> DecodeConfigMap(kube::Json object) {
  return Decode<api::ConfigMap>(object, [](Node, api::ConfigMap&) {});
}

std::expected<api::ReplicaSet, std::string> DecodeReplicaSet(kube::Json object) {
  return Decode<api::ReplicaSet>(object, [](Node root, api::ReplicaSet& out) {
    const Node pod = root["spec"]["template"]["metadata"];
    out.replicas = root["spec"]["replicas"].Number();
    out.current_replicas = root["status"]["replicas"].Number();
    out.traffic = pod["labels"][plan::kTrafficLabel].Text();
    out.digest = pod["annotations"][plan::kDigestAnnotation].Text();
    out.config = root["metadata"]["annotations"][plan::kConfigAnnotation].Text();
    const Node failure = root["status"]["conditions"].Where("type", "ReplicaFailure");
    if (failure["status"].Text() != "True") return;
    out.failure_reason = failure["reason"].Text();
    out.failure_message = failure["message"].Text();
  });
}

std::expected<api::Pod, std::string> DecodePod(kube::Json object) {
  return Decode<api::Pod>(object, [](Node root, api::Pod& out) {
    const Node metadata = root["metadata"];
    out.traffic = metadata["labels"][plan::kTrafficLabel].Text();
    out.digest = metadata["annotations"][plan::kDigestAnnotation].Text();
    out.node = root["spec"]["nodeName"].Text();
    const Node status = root["status"];
    out.ip = status["podIP"].Text();
    out.phase = status["phase"].Text();
    out.reason = status["reason"].Text();
    out.message = status["message"].Text();
    const Node ready = status["conditions"].Where("type", "Ready");
    out.ready = ready["status"].Text() == "True";
    if (out.ready) out.ready_since = ready["lastTransitionTime"].Moment();
    const Node scheduled = status["conditions"].Where("type", "PodScheduled");
    out.scheduled = scheduled["status"].Text() != "False";
    if (!out.scheduled) out.unscheduled_why = scheduled["message"].Text();
    ReadContainer(status["containerStatuses"].Where("name", plan::kContainer), out);
  });
}

std::expected<api::Service, std::string> DecodeService(kube::Json object) {
  return Decode<api::Service>(object, [](Node root, api::Service& out) {
    out.selector = root["spec"]["selector"].ToJson();
    out.ports = json::array();
    root["spec"]["ports"].Each([&](Node port) { out.ports.push_back(Port(port)); });
  });
}

std::expected<api::DisruptionBudget, std::string> DecodeDisruptionBudget(kube::Json object) {
  return Decode<api::DisruptionBudget>(object, [](Node root, api::DisruptionBudget& out) {
    out.selector = root["spec"]["selector"]["matchLabels"].ToJson();
    out.max_unavailable = root["spec"]["maxUnavailable"].ToJson();
  });
}

std::expected<api::Endpoints, std::string> DecodeEndpointSlice(kube::Json object) {
  return Decode<api::Endpoints>(object, [](Node root, api::Endpoints& out) {
    // The Service's name is the ModelDeployment's.
    out.meta.instance = root["metadata"]["labels"]["kubernetes.io/service-name"].Text();
    root["endpoints"].Each([&](Node endpoint) {
      const Node ready = endpoint["conditions"]["ready"];
      if (ready.exists() && !ready.True()) return;  // unknown means ready
      if (std::string uid = endpoint["targetRef"]["uid"].Text(); !uid.empty())
        out.ready_pods.push_back(std::move(uid));
    });
  });
}

std::expected<api::Report, std::string> DecodeReport(std::string text) {
  const kube::JsonBuffer buffer(std::move(text));
  const auto root = Root(buffer.view());
  if (!root) return std::unexpected(root.error());
  const Node in = *root;
  api::Report out{.pod_uid = Clean(in["podUID"].Text()),
                  .revision = Clean(in["revision"].Text()),
                  .phase = Clean(in["phase"].Text()),
                  .ready = in["ready"].True(),
                  .final = in["final"].True(),
                  .digest = Clean(in["digest"].Text()),
                  .attempt = in["attempt"].Number(),
                  .bytes_fetched = in["bytesFetched"].Number(),
                  .bytes_total = in["bytesTotal"].Number(),
                  .failure = Failure(in["failure"]),
                  .proof = Proof(in["proof"]),
                  .recheck_failure = Failure(in["recheck"]["failure"])};
  return out;
}

std::expected<api::ChildMeta, std::string> DecodeMeta(std::string text) {
  const kube::JsonBuffer buffer(std::move(text));
  const auto root = Root(buffer.view());
  if (!root) return std::unexpected(root.error());
  return Meta(*root);
}

}  // namespace pilotlight::control
