#include "operator/control/scraper.h"

#include <prometheus/counter.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "common/log/log.h"
#include "common/time/clock.h"
#include "operator/control/ask.h"
#include "operator/control/decode.h"
#include "operator/control/refusal.h"
#include "operator/control/signed_order.h"
#include "operator/kube/mandate.h"
#include "operator/kube/metrics.h"

namespace pilotlight::control {
namespace {

// The next question is asked when this one is answered.
constexpr Clock::Instant kUnderWay = Clock::Instant::max();

// Of the answer to an order.
constexpr std::size_t kAnswerLimit = 64 * 1024;

// The last order to a pod. It is forgotten when it has failed and the pod has been asked again.
struct Told {
  std::uint64_t id = 0;  // of this try
  std::string call;
  std::int64_t epoch = 0;
  enum class State : std::uint8_t { kSent, kObeyed, kFailed } state = State::kSent;
  Clock::Instant again;  // not before, if it failed
};

struct Wanted {
  ScrapeTarget target;
  kube::Key key;
  Clock::Instant since;
  Clock::Instant next;
  std::optional<api::Report> report;
  std::optional<Told> told;
  std::string order_error;
  // Whoever wants it hears of the next report, although that may say nothing new.
  bool decide_again = false;
};

// What nobody waits for who asks for it every few minutes.
void Shorten(api::Report& report) {
  report.proof = nullptr;
  report.split.segments.clear();
}

// Pods that are asked seldom are not all asked at once, when an operator has just been started for one.
std::chrono::milliseconds FirstWait(const ScrapeTarget& target) {
  constexpr std::int64_t kParts = 1024;
  const auto part = static_cast<std::int64_t>(std::hash<std::string>()(target.pod_uid) % kParts);
  return target.every * (kParts + part) / (2 * kParts);
}

}  // namespace

class Scraper::Impl {
 public:
  Impl(ScraperOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {
    thread_ = std::jthread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Want(const kube::Key& key, std::vector<ScrapeTarget> targets) {
    const auto now = clock_.Monotonic();
    {
      const std::scoped_lock lock(mutex_);
      std::set<std::string> uids;
      for (ScrapeTarget& target : targets) {
        uids.insert(target.pod_uid);
        auto [it, is_new] = wanted_.try_emplace(target.pod_uid);
        Wanted& wanted = it->second;
        const auto slower = wanted.target.every < target.every;
        const auto more_wanted = wanted.target.every.count() > 0 && target.every.count() == 0;
        if (is_new || wanted.target.container_id != target.container_id || more_wanted) {
          const auto first = now + FirstWait(target);
          wanted = Wanted();
          wanted.key = key;
          wanted.since = now;
          wanted.next = first;
        } else if (slower) {
          if (wanted.report) Shorten(*wanted.report);
          if (wanted.next != kUnderWay) wanted.next = now + FirstWait(target);
        } else if (target.every.count() == 0 && wanted.target.resource_version != target.resource_version) {
          wanted.next = now;
        }
        wanted.target = std::move(target);
      }
      std::set<std::string>& before = by_key_[key];
      for (const std::string& uid : before) {
        if (!uids.contains(uid)) wanted_.erase(uid);
      }
      before = std::move(uids);
      if (before.empty()) by_key_.erase(key);
    }
    boost::asio::post(io_, [this] { AskWhoIsDue(); });
  }

  void Tell(const kube::Key& key, std::vector<plan::Order> orders) {
    const std::scoped_lock lock(mutex_);
    for (plan::Order& order : orders) {
      const auto found = wanted_.find(order.pod_uid);
      if (found == wanted_.end() || found->second.key != key) continue;
      Wanted& wanted = found->second;
      if (wanted.told && (wanted.told->state != Told::State::kObeyed ||
                          (wanted.told->call == order.call && wanted.told->epoch == order.epoch))) {
        continue;
      }
      wanted.told = Told{.id = ++last_id_, .call = order.call, .epoch = order.epoch, .again = {}};
      boost::asio::post(
          io_, [this, id = last_id_, ip = wanted.target.ip, told = std::move(order)] { Send(id, ip, told); });
    }
  }

  std::optional<api::Report> ReportOf(const std::string& pod_uid) const {
    const std::scoped_lock lock(mutex_);
    const auto found = wanted_.find(pod_uid);
    return found == wanted_.end() ? std::nullopt : found->second.report;
  }

 private:
  // All below but the state under the mutex is of the thread alone.

  void AskWhoIsDue() {
    std::vector<ScrapeTarget> due;
    std::optional<Clock::Instant> next;
    const auto now = clock_.Monotonic();
    {
      const std::scoped_lock lock(mutex_);
      for (auto& [uid, wanted] : wanted_) {
        if (under_way_.contains(uid)) continue;  // its answer brings us back
        if (wanted.next <= now) {
          wanted.next = kUnderWay;
          under_way_.insert(uid);
          due.push_back(wanted.target);
        } else {
          next = std::min(next.value_or(wanted.next), wanted.next);
        }
      }
    }
    for (const ScrapeTarget& target : due) Ask(target);
    if (!next) return;
    timer_.expires_after(*next - now);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) AskWhoIsDue();
    });
  }

  void Ask(const ScrapeTarget& target) {
    control::Ask(io_,
                 {.ip = target.ip,
                  .port = options_.port,
                  .call = "GET /status",
                  .timeout = options_.timeout,
                  .answer_limit = options_.body_limit},
                 [this, uid = target.pod_uid, container = target.container_id](Answer answer) {
                   under_way_.erase(uid);
                   Take(uid, container, std::move(answer));
                   AskWhoIsDue();
                 });
  }

  void Send(std::uint64_t id, const std::string& ip, const plan::Order& order) {
    const auto ended = [this, id, uid = order.pod_uid, call = order.call](const Answer& answer) {
      Note(id, uid, call, answer);
      AskWhoIsDue();
    };
    if (options_.key == nullptr) {
      return ended({.error = "the operator has no key to sign with; its log says why, and what to do"});
    }
    if (options_.mandate != nullptr && !options_.mandate->Holds()) {
      return ended({.error = "the operator does not lead"});
    }
    control::Ask(io_,
                 {.ip = ip,
                  .port = options_.port,
                  .call = order.call,
                  .body = SignOrder(*options_.key, order, clock_.Now()),
                  .timeout = options_.timeout,
                  .answer_limit = kAnswerLimit},
                 ended);
  }

  // What came of an order.
  void Note(std::uint64_t id, const std::string& pod_uid, const std::string& call, const Answer& answer) {
    std::string why = WhyNotObeyed(answer);
    if (options_.metrics != nullptr) {
      options_.metrics
          ->Counter("pilotlight_orders_total", "Calls that steer sidecars, by what came of them",
                    {{"call", call},
                     {"outcome", answer.status == 0 ? "failed"
                                 : why.empty()      ? "obeyed"
                                                    : "refused"}})
          .Increment();
    }
    const std::scoped_lock lock(mutex_);
    const auto found = wanted_.find(pod_uid);
    if (found == wanted_.end() || !found->second.told || found->second.told->id != id) return;
    Wanted& wanted = found->second;
    const auto now = clock_.Monotonic();
    if (!why.empty() && why != wanted.order_error) {
      log::Warn("A sidecar does not do what it is told", {{"namespace", wanted.key.ns},
                                                          {"name", wanted.key.name},
                                                          {"podUID", pod_uid},
                                                          {"call", call},
                                                          {"why", why}});
    }
    wanted.told->state = why.empty() ? Told::State::kObeyed : Told::State::kFailed;
    wanted.told->again = now + Pause(wanted, now);
    wanted.decide_again = why.empty();
    wanted.order_error = std::move(why);
    wanted.next = now;
  }

  // Between two questions to one that is asked again and again.
  std::chrono::milliseconds Pause(const Wanted& wanted, Clock::Instant now) const {
    return now - wanted.since >= options_.slow_after ? options_.slow_interval : options_.interval;
  }

  void Take(const std::string& pod_uid, const std::string& container_id, Answer answer) {
    api::Report report;
    if (!answer.error.empty()) {
      report.error = std::move(answer.error);
    } else if (answer.status != 200) {
      report.error = "it answered with HTTP status " + std::to_string(answer.status);
    } else if (auto decoded = DecodeReport(std::move(answer.body))) {
      report = std::move(*decoded);
    } else {
      report.error = "its status document cannot be read";
    }
    report.container_id = container_id;
    std::optional<kube::Key> changed;
    {
      const std::scoped_lock lock(mutex_);
      const auto found = wanted_.find(pod_uid);
      if (found == wanted_.end()) return;
      Wanted& wanted = found->second;
      const auto now = clock_.Monotonic();
      // A change that came while the question was under way has made the next one due.
      const auto every = wanted.target.every;
      if (wanted.next == kUnderWay) wanted.next = now + (every.count() > 0 ? every : Pause(wanted, now));
      if (every.count() > 0) Shorten(report);
      if (wanted.target.container_id != container_id) return;
      report.order_error = wanted.order_error;
      if (wanted.told && wanted.told->state == Told::State::kFailed && now >= wanted.told->again) {
        wanted.told.reset();
        wanted.decide_again = true;
      }
      if (!report.error.empty()) api::StillHolds(pod_uid, wanted.report, clock_.Now(), report);
      if (wanted.report == report && !wanted.decide_again) return;
      wanted.report = std::move(report);
      wanted.decide_again = false;
      changed = wanted.key;
    }
    if (options_.changed) options_.changed(*changed);
  }

  const ScraperOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Wanted> wanted_;  // by pod UID
  std::map<kube::Key, std::set<std::string>> by_key_;
  std::uint64_t last_id_ = 0;
  std::set<std::string> under_way_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stay_{io_.get_executor()};
  boost::asio::steady_timer timer_{io_};
  std::jthread thread_;
};

Scraper::Scraper(ScraperOptions options, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
Scraper::~Scraper() = default;

void Scraper::Want(const kube::Key& key, std::vector<ScrapeTarget> targets) {
  impl_->Want(key, std::move(targets));
}
void Scraper::Tell(const kube::Key& key, std::vector<plan::Order> orders) {
  impl_->Tell(key, std::move(orders));
}
std::optional<api::Report> Scraper::ReportOf(const std::string& pod_uid) const {
  return impl_->ReportOf(pod_uid);
}

}  // namespace pilotlight::control
