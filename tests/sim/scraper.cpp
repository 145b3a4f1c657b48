#include "tests/sim/scraper.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace pilotlight::sim {

using namespace std::chrono_literals;

namespace {

// How long an answer is waited for, and the pause after a failure: short at first.
constexpr Millis kTimeout = 2s;
constexpr Millis kInterval = 500ms;
constexpr Millis kSlowInterval = 5s;
constexpr Millis kSlowAfter = 30s;

// What nobody waits for who asks seldom.
void Shorten(api::Report& report) {
  report.proof = nullptr;
  report.split.segments.clear();
}

}  // namespace

Scraper::Scraper(EventQueue& queue, Random& random, const Nodes& nodes, Traffic& traffic,
                 std::function<OrderFate()> fate, std::function<void()> changed)
    : queue_(queue),
      random_(random),
      nodes_(nodes),
      traffic_(traffic),
      fate_(std::move(fate)),
      changed_(std::move(changed)) {}

void Scraper::Want(const plan::Observed& seen, const plan::Decision& decision) {
  std::map<std::string, Asked> before = std::exchange(asked_, {});
  for (const api::Pod& pod : seen.pods) {
    const bool probed = std::ranges::contains(decision.probe, pod.meta.uid);
    if (!probed && !std::ranges::contains(decision.watch, pod.meta.uid)) continue;
    const auto found = before.find(pod.meta.uid);
    const bool under_way = found != before.end() && found->second.under_way;
    const bool is_new = found == before.end() || found->second.container != pod.container_id ||
                        (probed && found->second.seldom);
    Asked asked = is_new ? Asked{.since = queue_.now(), .under_way = under_way} : std::move(found->second);
    const bool moved = probed && asked.pod_version != pod.meta.resource_version;
    if (!probed && asked.report) Shorten(*asked.report);
    asked.container = pod.container_id;
    asked.ip = pod.ip;
    asked.pod_version = pod.meta.resource_version;
    asked.seldom = !probed;
    asked_.insert_or_assign(pod.meta.uid, std::move(asked));
    if (probed && (is_new || moved)) Ask(pod.meta.uid, 2ms, 30ms);
    if (!probed && is_new) Ask(pod.meta.uid, 1s, 20s);
  }
}

void Scraper::Tell(const std::vector<plan::Order>& orders) {
  for (const plan::Order& order : orders) {
    const auto found = asked_.find(order.pod_uid);
    if (found == asked_.end()) continue;
    auto& told = found->second.told;
    if (told && (told->state != Told::State::kObeyed || told->epoch == order.epoch)) continue;
    told = Told{.id = ++last_id_, .epoch = order.epoch, .again = {}};
    Send(order, found->second.ip, last_id_);
  }
}

void Scraper::Send(const plan::Order& order, const std::string& ip, int id) {
  const OrderFate fate = fate_();
  const Millis way = random_.Between(2ms, 40ms);
  const auto note = [this, uid = order.pod_uid, id](std::optional<std::string> answer) {
    Note(uid, id, answer);
  };
  if (fate == OrderFate::kDone) {
    return queue_.After(way, [this, order, ip, note, way] {
      const auto answer = traffic_.Obey(ip, order);
      queue_.After(way, [note, answer] { note(answer); });
    });
  }
  if (fate == OrderFate::kRefused) return queue_.After(2 * way, [note] { note("no keys are here"); });
  if (fate == OrderFate::kNoAnswer) queue_.After(way, [this, order, ip] { traffic_.Obey(ip, order); });
  if (fate == OrderFate::kLate)
    queue_.After(random_.Between(2s, 40s), [this, order, ip] { traffic_.Obey(ip, order); });
  queue_.After(kTimeout, [note] { note(std::nullopt); });
}

void Scraper::Note(const std::string& uid, int id, const std::optional<std::string>& answer) {
  const auto found = asked_.find(uid);
  if (found == asked_.end() || !found->second.told || found->second.told->id != id) return;
  Asked& asked = found->second;
  const bool obeyed = answer && answer->empty();
  const Millis pause = queue_.now() - asked.since >= kSlowAfter ? kSlowInterval : kInterval;
  asked.told->state = obeyed ? Told::State::kObeyed : Told::State::kFailed;
  asked.told->again = queue_.now() + pause;
  asked.decide_again = obeyed;
  asked.order_error = answer.value_or("no answer in time");
  asked.under_way = false;
  Ask(uid, 2ms, 30ms);
  if (!obeyed) queue_.After(pause, [this, uid] { SidecarChanged(uid); });
}

void Scraper::SidecarChanged(const std::string& uid) {
  const auto found = asked_.find(uid);
  if (found == asked_.end()) return;
  if (found->second.seldom) {
    Ask(uid, 1s, 20s);
  } else {
    Ask(uid, 5ms, 500ms);
  }
}

void Scraper::Ask(const std::string& uid, Millis least, Millis most) {
  if (std::exchange(asked_[uid].under_way, true)) return;
  queue_.After(random_.Between(least, most), [this, uid] {
    const auto found = asked_.find(uid);
    if (found != asked_.end()) Take(uid, found->second);
  });
}

void Scraper::Take(const std::string& uid, Asked& asked) {
  asked.under_way = false;
  api::Report report;
  const api::Pod* there = traffic_.At(asked.ip);
  if (auto answer = there == nullptr ? std::nullopt : nodes_.Answer(there->meta.uid)) {
    report = std::move(*answer);
    traffic_.Tell(there->meta.uid, report);
  } else {
    report.error = "connection refused";
  }
  // It is called the answer of the container that was asked for, whoever gave it.
  report.container_id = asked.container;
  if (asked.seldom) Shorten(report);
  report.order_error = asked.order_error;
  if (asked.told && asked.told->state == Told::State::kFailed && queue_.now() >= asked.told->again)
    asked.told.reset();
  if (!report.error.empty()) api::StillHolds(uid, asked.report, queue_.now(), report);
  if (!asked.seldom && traffic_.Counts(uid) && !std::exchange(asked.asked_on, true)) {
    queue_.After(random_.Between(2500ms, 5s), [this, uid] {
      const auto again = asked_.find(uid);
      if (again == asked_.end()) return;
      again->second.asked_on = false;
      SidecarChanged(uid);
    });
  }
  if (asked.report == report && !asked.decide_again) return;
  asked.report = std::move(report);
  asked.decide_again = false;
  changed_();
}

void Scraper::AddReports(plan::Observed& seen) const {
  for (const api::Pod& pod : seen.pods) {
    const auto found = asked_.find(pod.meta.uid);
    if (found != asked_.end() && found->second.report)
      seen.reports.emplace(pod.meta.uid, *found->second.report);
  }
}

}  // namespace pilotlight::sim
