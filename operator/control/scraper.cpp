#include "operator/control/scraper.h"

#include <curl/curl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "common/time/clock.h"
#include "operator/control/decode.h"

namespace pilotlight::control {
namespace {

using std::chrono::milliseconds;

// The next question is asked when this one is answered.
constexpr Clock::Instant kUnderWay = Clock::Instant::max();

// One question under way.
struct Call {
  std::string pod_uid;
  std::string container_id;
  std::string body;
  std::size_t limit = 0;
};

std::size_t Collect(char* data, std::size_t, std::size_t size, void* user) {
  auto& call = *static_cast<Call*>(user);
  if (call.body.size() + size > call.limit) return 0;
  call.body.append(data, size);
  return size;
}

std::string Url(const std::string& ip, std::uint16_t port) {
  const bool v6 = ip.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port) + "/status";
}

// In words that name no address.
std::string WhyNot(CURLcode code, long status) {
  switch (code) {
    case CURLE_OK:
      return "it answered with HTTP status " + std::to_string(status);
    case CURLE_OPERATION_TIMEDOUT:
      return "no answer in time";
    case CURLE_COULDNT_CONNECT:
      return "the connection is refused or cannot be made";
    case CURLE_WRITE_ERROR:
      return "its answer is too long";
    default:
      return curl_easy_strerror(code);
  }
}

struct Wanted {
  ScrapeTarget target;
  kube::Key key;
  Clock::Instant since;
  Clock::Instant next;
  std::optional<api::Report> report;
};

}  // namespace

class Scraper::Impl {
 public:
  Impl(ScraperOptions options, Clock& clock)
      : options_(std::move(options)), clock_(clock), multi_(curl_multi_init()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  ~Impl() {
    thread_.request_stop();
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
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
        if (is_new || wanted.target.container_id != target.container_id) {
          wanted = {.target = target, .key = key, .since = now, .next = now, .report = std::nullopt};
        } else if (wanted.target.resource_version != target.resource_version) {
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
    curl_multi_wakeup(multi_);
  }

  std::optional<api::Report> ReportOf(const std::string& pod_uid) const {
    const std::scoped_lock lock(mutex_);
    const auto found = wanted_.find(pod_uid);
    return found == wanted_.end() ? std::nullopt : found->second.report;
  }

 private:
  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      Collect();
      const milliseconds wait = StartDue();
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    for (auto& [easy, call] : calls_) {
      curl_multi_remove_handle(multi_, easy);
      curl_easy_cleanup(easy);
    }
  }

  // Starts what is due and says when the next will be.
  milliseconds StartDue() {
    const std::scoped_lock lock(mutex_);
    const auto now = clock_.Monotonic();
    milliseconds wait = std::chrono::minutes(1);
    for (auto& [uid, wanted] : wanted_) {
      if (under_way_.contains(uid)) continue;  // its end wakes us
      if (wanted.next <= now) {
        Start(wanted);
      } else {
        wait = std::min(wait, std::chrono::ceil<milliseconds>(wanted.next - now));
      }
    }
    return wait;
  }

  void Start(Wanted& wanted) {
    CURL* easy = curl_easy_init();
    if (easy == nullptr) return;
    wanted.next = kUnderWay;
    auto call = std::make_unique<Call>(
        Call{wanted.target.pod_uid, wanted.target.container_id, {}, options_.body_limit});
    curl_easy_setopt(easy, CURLOPT_URL, Url(wanted.target.ip, options_.port).c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");  // a pod is never behind the cluster's proxy
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &control::Collect);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call.get());
    curl_multi_add_handle(multi_, easy);
    under_way_.insert(call->pod_uid);
    calls_.emplace(easy, std::move(call));
  }

  void Collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      const std::unique_ptr<Call> call = std::move(calls_.extract(easy).mapped());
      curl_multi_remove_handle(multi_, easy);
      curl_easy_cleanup(easy);
      Finish(*call, code, status);
    }
  }

  void Finish(Call& call, CURLcode code, long status) {
    api::Report report;
    if (code == CURLE_OK && status == 200) {
      if (auto decoded = DecodeReport(std::move(call.body))) {
        report = std::move(*decoded);
      } else {
        report.error = "its status document cannot be read";
      }
    } else {
      report.error = WhyNot(code, status);
    }
    report.container_id = call.container_id;
    std::optional<kube::Key> changed;
    {
      const std::scoped_lock lock(mutex_);
      under_way_.erase(call.pod_uid);
      const auto found = wanted_.find(call.pod_uid);
      if (found == wanted_.end()) return;
      Wanted& wanted = found->second;
      const auto now = clock_.Monotonic();
      const bool slow = now - wanted.since >= options_.slow_after;
      // A change that came while the question was under way has made the next one due.
      if (wanted.next == kUnderWay) wanted.next = now + (slow ? options_.slow_interval : options_.interval);
      if (wanted.target.container_id != call.container_id) return;
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
  CURLM* const multi_;
  mutable std::mutex mutex_;
  std::map<std::string, Wanted> wanted_;  // by pod UID
  std::map<kube::Key, std::set<std::string>> by_key_;
  // Of the thread alone.
  std::set<std::string> under_way_;
  std::map<CURL*, std::unique_ptr<Call>> calls_;
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
