#include "operator/kube/reflector.h"

#include <prometheus/counter.h>

#include <mutex>
#include <random>

#include "common/log/log.h"
#include "common/time/clock.h"
#include "operator/kube/metrics.h"
#include "operator/kube/object_sink.h"
#include "operator/kube/reflector_machine.h"
#include "operator/kube/requests.h"
#include "operator/kube/transport.h"

namespace pilotlight::kube {
namespace {

// Silence for so long after the server should have ended the watch means that nobody is there any more.
constexpr std::chrono::seconds kDeadAfter{5};
constexpr std::chrono::seconds kListDeadline{60};

std::function<double()> Uniform() {
  return [engine = std::mt19937(std::random_device()())]() mutable {
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  };
}

}  // namespace

Reflector::Reflector(ReflectorOptions options, Transport& transport, ObjectSink& sink, Clock& clock,
                     Metrics& metrics)
    : options_(std::move(options)),
      transport_(transport),
      sink_(sink),
      clock_(clock),
      metrics_(metrics),
      machine_(std::make_unique<ReflectorMachine>(Uniform())),
      log_(log::Logger().With({{"resource", options_.resource.plural}, {"watchNamespace", options_.ns}})) {}

Reflector::~Reflector() = default;

void Reflector::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto step = machine_->Next(clock_.Monotonic());
    if (const auto* list = std::get_if<ReflectorMachine::ListPage>(&step)) {
      List(*list, stop);
    } else if (const auto* watch = std::get_if<ReflectorMachine::Watch>(&step)) {
      Watch(*watch, stop);
    } else {
      if (clock_.Sleep(std::get<ReflectorMachine::Wait>(step).duration, stop)) machine_->Waited();
    }
  }
}

void Reflector::List(const ReflectorMachine::ListPage& page, const std::stop_token& stop) {
  if (page.first) sink_.BeginList(options_.ns);
  Count("reflector_lists_total", "Pages of lists asked for");
  const auto request = ListRequest(options_.resource, options_.ns,
                                   {.label_selector = options_.label_selector,
                                    .field_selector = options_.field_selector,
                                    .resource_version = page.resource_version,
                                    .limit = page.limit,
                                    .continue_token = page.continue_token});
  auto response = transport_.Call(request, {.deadline = kListDeadline}, stop);
  if (stop.stop_requested()) return;
  const auto fail = [this](const Error& error) {
    log_.Warn("Failed to list", {{"error", Describe(error)}});
    Count("reflector_failures_total", "Lists and watches that failed");
    machine_->ListFailed(error, clock_.Monotonic());
  };
  if (!response) return fail(response.error());
  const JsonBuffer buffer(std::move(response->body));
  const auto meta = ReadList(buffer.view(), [this](Json item) { Keep(sink_.Stage(options_.ns, item)); });
  if (!meta) return fail({.code = ErrorCode::Decode, .message = meta.error()});
  machine_->PageListed(*meta, clock_.Monotonic());
  if (!machine_->list_complete()) return;
  sink_.Replace(options_.ns, machine_->resource_version());
  if (!synced_.exchange(true)) log_.Info("Synced", {{"resourceVersion", machine_->resource_version()}});
}

void Reflector::Watch(const ReflectorMachine::Watch& watch, const std::stop_token& stop) {
  Count("reflector_watches_total", "Watches started");
  const auto request = WatchRequest(options_.resource, options_.ns,
                                    {.label_selector = options_.label_selector,
                                     .field_selector = options_.field_selector,
                                     .resource_version = watch.resource_version,
                                     .timeout = watch.timeout});
  const StreamOptions limits{.idle_timeout = watch.timeout + kDeadAfter};
  // A stream that a sick peer keeps alive for ever would never be looked at again.
  const auto overdue = clock_.Monotonic() + watch.timeout + kDeadAfter;
  // The sink's calls can outlast Stream when a cancelled stream is abandoned; they must then find nothing to
  // do.
  struct Shared {
    std::mutex mutex;
    bool over = false;
  };
  const auto shared = std::make_shared<Shared>();
  const auto result = transport_.Stream(
      request, limits,
      [this, shared, overdue](std::string_view line) {
        const std::scoped_lock lock(shared->mutex);
        return !shared->over && clock_.Monotonic() < overdue && TakeLine(line);
      },
      stop);
  const std::scoped_lock lock(shared->mutex);
  shared->over = true;
  if (stop.stop_requested()) return;
  const std::optional<Error> error = result ? std::nullopt : std::optional(result.error());
  if (error) {
    log_.Debug("Watch ended", {{"error", Describe(*error)}});
    Count("reflector_failures_total", "Lists and watches that failed");
  }
  const auto short_before = machine_->short_watches();
  machine_->WatchEnded(error, clock_.Monotonic());
  if (machine_->short_watches() != short_before) {
    Count("reflector_short_watches_total", "Watches that ended at once and without an event");
  }
}

bool Reflector::TakeLine(std::string_view line) {
  const JsonBuffer buffer{std::string(line)};
  const auto event = ReadWatchEvent(buffer.view());
  if (!event) {
    // What the transport hands us is a whole line, so this is no cut connection. The version stays where it
    // is.
    const Error error{.code = ErrorCode::Decode, .message = event.error()};
    log_.Warn("Failed to read watch event", {{"error", event.error()}});
    return machine_->WatchEvent(EventType::Error, "", &error, clock_.Monotonic());
  }
  if (event->type == EventType::Error) {
    const Error error = ErrorFromResponse(0, event->object.text, "");
    log_.Info("Watch was ended by the API server", {{"error", Describe(error)}});
    return machine_->WatchEvent(EventType::Error, "", &error, clock_.Monotonic());
  }
  const auto identity = ReadIdentity(event->object);
  const std::string version = identity ? identity->resource_version : std::string();
  switch (event->type) {
    case EventType::Added:
    case EventType::Modified:
      Keep(sink_.Upsert(options_.ns, event->object));
      break;
    case EventType::Deleted:
      Keep(sink_.Remove(options_.ns, event->object));
      break;
    case EventType::Bookmark:
      sink_.Progress(options_.ns, version);
      break;
    case EventType::Error:
    case EventType::Unknown:
      break;
  }
  return machine_->WatchEvent(event->type, version, nullptr, clock_.Monotonic());
}

void Reflector::Keep(const std::expected<void, std::string>& result) {
  if (result) return;
  log_.Error("Failed to read object", {{"error", result.error()}});
  Count("reflector_undecodable_total", "Objects that could not be read");
}

void Reflector::Count(const char* name, const char* help) {
  metrics_.Counter(name, help, {{"resource", options_.resource.plural}}).Increment();
}

}  // namespace pilotlight::kube
