#include "operator/control/scraper.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "common/time/clock.h"
#include "operator/control/ask.h"
#include "operator/control/decode.h"

namespace pilotlight::control {
namespace {

// The next question is asked when this one is answered.
constexpr Clock::Instant kUnderWay = Clock::Instant::max();

struct Wanted {
  ScrapeTarget target;
  kube::Key key;
  Clock::Instant since;
  Clock::Instant next;
  std::optional<api::Report> report;
};

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
          wanted = {.target = target, .key = key, .since = now, .next = first, .report = std::nullopt};
        } else if (slower) {
          if (wanted.report) wanted.report->proof = nullptr;
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
    AskForStatus(io_, {target.ip, options_.port, options_.timeout, options_.body_limit},
                 [this, uid = target.pod_uid, container = target.container_id](Answer answer) {
                   under_way_.erase(uid);
                   Take(uid, container, std::move(answer));
                   AskWhoIsDue();
                 });
  }

  void Take(const std::string& pod_uid, const std::string& container_id, Answer answer) {
    api::Report report;
    if (!answer.error.empty()) {
      report.error = std::move(answer.error);
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
      const bool slow = now - wanted.since >= options_.slow_after;
      // A change that came while the question was under way has made the next one due.
      const auto pause = slow ? options_.slow_interval : options_.interval;
      const auto every = wanted.target.every;
      if (wanted.next == kUnderWay) wanted.next = now + (every.count() > 0 ? every : pause);
      if (every.count() > 0) report.proof = nullptr;
      if (wanted.target.container_id != container_id) return;
      if (!report.error.empty()) {
        const bool already = wanted.report && wanted.report->unreachable_since;
        report.unreachable_since = already ? wanted.report->unreachable_since
                                           : std::chrono::floor<std::chrono::seconds>(clock_.Now());
      }
      if (wanted.report == report) return;
      wanted.report = std::move(report);
      changed = wanted.key;
    }
    if (options_.changed) options_.changed(*changed);
  }

  const ScraperOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Wanted> wanted_;  // by pod UID
  std::map<kube::Key, std::set<std::string>> by_key_;
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
std::optional<api::Report> Scraper::ReportOf(const std::string& pod_uid) const {
  return impl_->ReportOf(pod_uid);
}

}  // namespace pilotlight::control
