// What the tests promise, tried: canaries of all sorts, looked at all the time. docs/designs/0017-analysis.md
// has the figures that this prints.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <format>
#include <iostream>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "operator/analysis/bound.h"
#include "operator/analysis/judge.h"
#include "operator/analysis/null.h"
#include "operator/analysis/tally.h"
#include "operator/analysis/threshold.h"

namespace pilotlight::analysis {
namespace {

constexpr std::int64_t kRuns = PILOTLIGHT_ANALYSIS_RUNS;
constexpr double kAlpha = 0.01;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t Bits() { return engine_(); }
  double Unit() { return static_cast<double>(engine_() >> 11U) * 0x1p-53; }
  bool Chance(double chance) { return Unit() < chance; }
  double Normal() { return std::sqrt(-2 * std::log1p(-Unit())) * std::cos(2 * std::numbers::pi * Unit()); }
  // How many trials until the first success, it included.
  std::int64_t Until(double chance) {
    if (chance <= 0) return kNever;
    return 1 + static_cast<std::int64_t>(std::min(std::log1p(-Unit()) / std::log1p(-chance), 1e15));
  }
  std::int64_t Poisson(double mean) {
    return mean <= 0 ? 0 : std::poisson_distribution<std::int64_t>(mean)(engine_);
  }

 private:
  std::mt19937_64 engine_;
};

Settings One(Metric metric, double rho) {
  Settings settings;
  settings.alpha = kAlpha;
  settings.rho = rho;
  settings.metrics = {{metric, {}}};
  return settings;
}

Stream& StreamOf(Segment& segment, Metric metric, std::size_t pods) {
  Stream& stream = segment.streams[metric];
  for (std::size_t pod = stream.candidate.size(); pod < pods; ++pod)
    stream.candidate.push_back({.pod = "candidate-" + std::to_string(pod)});
  return stream;
}

// Whether Judge() may abort: E is never more than the likelihood ratio of the share that was seen. So it is
// asked only where its answer is not known, which is most of the time of these tests.
bool MayAbort(const Settings& settings, const Observed& observed) {
  const Metric metric = settings.metrics.front().metric;
  double most = 0;
  for (const Segment& segment : observed.segments) {
    const Stream& stream = segment.streams.at(metric);
    Events candidate;
    for (const PodEvents& pod : stream.candidate)
      candidate += metric == Metric::kLatency && stream.candidate.size() < 2 ? pod.much_slower : pod.events;
    const double p0 = static_cast<double>(
        NullOf(candidate, stream.stable, Correction(segment.weight, segment.assigned), settings.rho).P0());
    const auto k = static_cast<double>(candidate.bad);
    const auto m = static_cast<double>(candidate.bad + stream.stable.bad);
    if (k <= m * p0) continue;
    most += k * std::log(k / m / p0) + (k < m ? (m - k) * std::log((1 - k / m) / (1 - p0)) : 0);
  }
  return most >= std::log(1 / settings.alpha);
}

bool Aborts(const Settings& settings, const Observed& observed) {
  return MayAbort(settings, observed) && Judge(settings, observed).outcome == Outcome::kFail;
}

struct Step {
  double weight = 0;
  std::int64_t requests = 0;
  double stable = 0;                    // bad rates
  std::vector<double> candidate = {0};  // of each pod
};

// A step that is fed request by request, each the candidate's with the chance `weight`.
class Feed {
 public:
  Feed(Observed& observed, Metric metric, const Step& step)
      : step_(step),
        segment_(observed.segments.emplace_back(Segment{.weight = step.weight})),
        stream_(StreamOf(segment_, metric, step.candidate.size())) {}

  // Whether the next request is bad.
  bool Next(Dice& dice) {
    constexpr double k2To32 = 0x1p32;
    const std::uint64_t bits = dice.Bits();
    const bool is_candidate = static_cast<double>(bits & 0xffffffffU) < step_.weight * k2To32;
    std::int64_t& assigned = is_candidate ? segment_.assigned.candidate : segment_.assigned.stable;
    const std::size_t pod = static_cast<std::size_t>(assigned++) % step_.candidate.size();
    Events& events = is_candidate ? stream_.candidate[pod].events : stream_.stable;
    const bool bad =
        static_cast<double>(bits >> 32U) < (is_candidate ? step_.candidate[pod] : step_.stable) * k2To32;
    ++events.requests;
    events.bad += bad ? 1 : 0;
    return bad;
  }

 private:
  const Step& step_;
  Segment& segment_;
  Stream& stream_;
};

// How many requests of the last step it took to abort, looking after every error.
std::int64_t RequestsToAbort(Dice& dice, const Settings& settings, const std::vector<Step>& steps) {
  Observed observed;
  observed.segments.reserve(steps.size());
  std::int64_t requests = 0;
  for (const Step& step : steps) {
    Feed feed(observed, Metric::kErrors, step);
    for (requests = 1; requests <= step.requests; ++requests) {
      if (feed.Next(dice) && Aborts(settings, observed)) return requests;
    }
  }
  return kNever;
}

// Of many runs.
struct Count {
  std::int64_t runs = 0;
  std::int64_t aborts = 0;

  Events AsEvents() const { return {.requests = runs, .bad = aborts}; }
  double Rate() const { return AsEvents().Rate(); }
  std::string Text() const {
    return std::format("{} of {} = {:.2f} %, at most {:.2f} %", aborts, runs, 100 * Rate(),
                       100 * UpperBound(AsEvents(), 0.95));
  }
};

void Print(const std::string& what, const std::string& figure) {
  std::cout << std::format("{:<60} {}\n", what, figure);
}

// The count does not speak against a rate of `most`: so many or more have a chance of a thousandth at least.
void ExpectAtMost(const Count& count, double most, const std::string& what) {
  Print(what, count.Text());
  const Events good{.requests = count.runs, .bad = count.runs - count.aborts};
  EXPECT_LE(1 - UpperBound(good, 0.999), most) << what << ": " << count.Text();
}

// The rate is below `most`, as far as so many runs can show.
void ExpectShownBelow(const Count& count, double most, const std::string& what) {
  Print(what, count.Text());
  if (kRuns >= 100) {
    EXPECT_LE(UpperBound(count.AsEvents(), 0.95), most) << what << ": " << count.Text();
  }
}

std::int64_t Median(std::vector<std::int64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

void Tried(Count& count, bool aborted) {
  ++count.runs;
  count.aborts += aborted ? 1 : 0;
}

// Candidates that are `rho` times as bad, which is just allowed.
void ExpectHardlyAnyAborts(double rho, std::uint64_t seed) {
  Count all;
  for (const double weight : {0.05, 0.1, 0.5}) {
    for (const double base : {0.001, 0.01, 0.1}) {
      Dice dice(seed++);
      Count count;
      for (std::int64_t run = 0; run < 5 * kRuns; ++run) {
        const Step at_the_edge{weight, 100'000, base, {rho * base}};
        Tried(count, RequestsToAbort(dice, One(Metric::kErrors, rho), {at_the_edge}) != kNever);
      }
      all.runs += count.runs;
      all.aborts += count.aborts;
      ExpectAtMost(count, kAlpha, std::format("false aborts: rho {}, weight {}, base {}", rho, weight, base));
    }
  }
  ExpectShownBelow(all, kAlpha, std::format("false aborts: rho {}, all of these", rho));
}

TEST(Simulated, AsGoodACandidateIsHardlyEverAborted) {
  ExpectHardlyAnyAborts(1, 1);
}

TEST(Simulated, NorIsOneThatIsWorseByWhatIsAllowed) {
  ExpectHardlyAnyAborts(1.5, 10);
}

TEST(Simulated, NorIsOneWhoseWeightChanges) {
  Count count;
  Dice dice(100);
  std::vector<Step> steps;
  for (const double weight : {0.05, 0.25, 0.5, 0.1}) steps.push_back({weight, 25'000, 0.01, {0.01}});
  for (std::int64_t run = 0; run < 10 * kRuns; ++run)
    Tried(count, RequestsToAbort(dice, One(Metric::kErrors, 1), steps) != kNever);
  ExpectShownBelow(count, kAlpha, "false aborts: weight 5, 25, 50, 10 %");
}

struct Detection {
  double rho;
  double weight;
  double stable;
  double candidate;
  std::int64_t expected;  // requests; the median of an independent simulation with one pod
  std::size_t pods = 1;
};

std::int64_t MedianToAbort(std::uint64_t seed, double rho, const std::vector<Step>& steps) {
  Dice dice(seed);
  std::vector<std::int64_t> took;
  for (int run = 0; run < 500; ++run)  // with sanitizers, too: a median of less is no median
    took.push_back(RequestsToAbort(dice, One(Metric::kErrors, rho), steps));
  return Median(took);
}

TEST(Simulated, AWorseOneIsAbortedSoon) {
  const std::vector<Detection> table{
      {1, 0.1, 0.01, 0.5, 61},         {1, 0.1, 0.01, 0.1, 451},      {1, 0.1, 0.01, 0.05, 1600},
      {1, 0.5, 0.01, 0.05, 660},       {1, 0.05, 0.01, 0.05, 2900},   {1, 0.1, 0.01, 0.03, 4800},
      {1, 0.1, 0.01, 0.02, 18'000},    {1, 0.1, 0.001, 0.01, 4800},   {1.5, 0.1, 0.01, 0.05, 2500},
      {1, 0.1, 0.01, 0.1, 451, 2},     {1, 0.1, 0.01, 0.05, 1600, 2}, {1, 0.1, 0.01, 0.05, 1600, 10},
      {1.5, 0.1, 0.01, 0.05, 2500, 2},
  };
  std::uint64_t seed = 200;
  for (const Detection& row : table) {
    const std::vector<double> candidate(row.pods, row.candidate);
    const std::int64_t median =
        MedianToAbort(seed++, row.rho, {{row.weight, 200'000, row.stable, candidate}});
    Print(std::format("requests to abort: rho {}, weight {}, {} against {}, pods: {}", row.rho, row.weight,
                      row.candidate, row.stable, row.pods),
          std::format("{} (expected {})", median, row.expected));
    EXPECT_LE(2 * median, 3 * row.expected);
  }
}

TEST(Simulated, OneThatGetsWorseInALaterStepIsAbortedLater) {
  const Step worse{0.5, 100'000, 0.01, {0.05}};
  const std::int64_t at_once = MedianToAbort(230, 1.5, {worse});
  const std::int64_t later =
      MedianToAbort(231, 1.5, {{0.05, 20'000, 0.01, {0.01}}, {0.25, 20'000, 0.01, {0.01}}, worse});
  Print("requests to abort: rho 1.5, weight 0.5, 0.05 against 0.01", std::to_string(at_once));
  Print("the same, after 20,000 at 5 % and at 25 % without a difference", std::to_string(later));
  EXPECT_LT(later, 3 * at_once);
}

TEST(Simulated, OneThatNeverServesWellIsAbortedThoughStableDoesNotEither) {
  const std::int64_t median = MedianToAbort(232, 1.5, {{0.1, 20'000, 0.2, {0.9}}});
  Print("requests to abort: rho 1.5, weight 0.1, 0.9 against 0.2", std::to_string(median));
  EXPECT_LT(median, 1000);
}

TEST(Simulated, ABadPodOfTwoSeldomTakesTheRevisionWithIt) {
  Count count;
  Dice dice(240);
  const Step one_bad{0.1, 15'000, 0.01, {0.1, 0.01}};
  for (std::int64_t run = 0; run < 2 * kRuns; ++run)
    Tried(count, RequestsToAbort(dice, One(Metric::kErrors, 1.5), {one_bad}) != kNever);
  ExpectAtMost(count, 0.05, "aborts, one pod of two with 10 % against 1 %");
}

// Seconds instead of requests: what pods count, one event a second at most.
struct Fleet {
  std::size_t candidate = 1;
  std::size_t stable = 1;
  double per_second = 100;  // requests, of all
};

enum class After { kNothingCounts, kRequestsCount };  // a bad event, in the same second

void Second(Dice& dice, double requests, double rate, After after, Events& events, std::int64_t& assigned) {
  const std::int64_t served = dice.Poisson(requests);
  const std::int64_t first = dice.Until(rate);
  assigned += served;
  events.requests += after == After::kRequestsCount ? served : std::min(served, first);
  if (first <= served) ++events.bad;
}

bool AbortsWithin(Dice& dice, const Settings& settings, const Fleet& fleet, double weight, double rate,
                  std::int64_t seconds, After after = After::kNothingCounts) {
  Observed observed;
  Segment& segment = observed.segments.emplace_back(Segment{.weight = weight});
  Stream& stream = StreamOf(segment, Metric::kErrors, fleet.candidate);
  const double candidate = weight * fleet.per_second / static_cast<double>(fleet.candidate);
  const double stable = (1 - weight) * fleet.per_second / static_cast<double>(fleet.stable);
  for (std::int64_t second = 0; second < seconds; ++second) {
    for (PodEvents& pod : stream.candidate)
      Second(dice, candidate, rate, after, pod.events, segment.assigned.candidate);
    for (std::size_t pod = 0; pod < fleet.stable; ++pod)
      Second(dice, stable, rate, after, stream.stable, segment.assigned.stable);
    if (Aborts(settings, observed)) return true;
  }
  return false;
}

TEST(Simulated, PodsThatCountOneEventASecondDeceiveNobodyWhenTheSidesAreOfUnequalSize) {
  Count all;
  Count naive;
  std::uint64_t seed = 300;
  for (const Fleet& fleet : {Fleet{1, 1, 1000}, Fleet{1, 9, 1000}, Fleet{5, 2, 1000}, Fleet{1, 1, 100}}) {
    for (const double weight : {0.1, 0.5}) {
      for (const double base : {0.01, 0.1}) {
        Dice dice(seed++);
        Count count;
        for (std::int64_t run = 0; run < 2 * kRuns; ++run) {
          Tried(count, AbortsWithin(dice, One(Metric::kErrors, 1), fleet, weight, base, 1000));
        }
        all.runs += count.runs;
        all.aborts += count.aborts;
        ExpectAtMost(
            count, kAlpha,
            std::format("false aborts, one event a second: {} and {} pods, {} rps, weight {}, base {}",
                        fleet.candidate, fleet.stable, fleet.per_second, weight, base));
      }
    }
  }
  ExpectShownBelow(all, kAlpha, "false aborts, one event a second, all of these");
  Dice dice(350);
  for (std::int64_t run = 0; run < kRuns; ++run) {
    Tried(naive,
          AbortsWithin(dice, One(Metric::kErrors, 1), {1, 1, 1000}, 0.1, 0.01, 1000, After::kRequestsCount));
  }
  Print("the same, if the requests that follow in the second counted", naive.Text());
  EXPECT_GT(naive.Rate(), 0.9) << "then why leave them out?";
}

// Of a log-normal latency with a standard deviation of 0.5, how much is over a threshold.
double Over(double threshold, double pod) {
  constexpr double kSpread = 0.5;
  return 0.5 * std::erfc((std::log(threshold) - pod) / kSpread / std::numbers::sqrt2);
}

// Stable's, in buckets that are 10 % wide; of 2,000 requests.
Histogram LatencyOf(Dice& dice, const std::vector<double>& pods) {
  Histogram histogram{.counts = {0}};
  for (double bound = 0.1; bound < 20; bound *= 1.1) {
    histogram.bounds.push_back(bound);
    histogram.counts.push_back(0);
  }
  for (std::size_t i = 0; i < 2000; ++i) {
    const double latency = std::exp(pods[i % pods.size()] + 0.5 * dice.Normal());
    const auto bucket = std::ranges::lower_bound(histogram.bounds, latency) - histogram.bounds.begin();
    ++histogram.counts[static_cast<std::size_t>(bucket)];
  }
  return histogram;
}

struct Slow {
  std::size_t candidate = 1;
  std::size_t stable = 1;
  double times = 1;     // as slow
  bool only_p = false;  // no margin: the p-value alone
};

// Pods of which each is faster or slower by 10 %, as nodes are.
bool AbortsForLatency(Dice& dice, const Slow& slow) {
  constexpr double kPodSpread = 0.1;
  std::vector<double> stable_pods(slow.stable);
  for (double& pod : stable_pods) pod = kPodSpread * dice.Normal();
  const double threshold = SlowThreshold(LatencyOf(dice, stable_pods)).value();
  double stable_rate = 0;
  for (const double pod : stable_pods) stable_rate += Over(threshold, pod) / static_cast<double>(slow.stable);

  Observed observed;
  Segment& segment = observed.segments.emplace_back(Segment{.weight = 0.5});
  Stream& stream = StreamOf(segment, Metric::kLatency, slow.candidate);
  std::vector<double> rates;
  for (std::size_t pod = 0; pod < slow.candidate; ++pod) {
    const double shift = kPodSpread * dice.Normal() + std::log(slow.times);
    const double margin = slow.only_p ? 1 : slow.candidate < 2 ? kMuchSlower : kSlower;
    rates.push_back(Over(margin * threshold, shift));
  }
  const Settings settings = One(Metric::kLatency, 1.5);
  for (std::int64_t look = 0; look < 100; ++look) {
    constexpr std::int64_t kRequests = 100;
    segment.assigned.candidate += kRequests * static_cast<std::int64_t>(slow.candidate);
    for (std::size_t pod = 0; pod < slow.candidate; ++pod) {
      Events& events = stream.candidate[pod].events;
      events.requests += kRequests;
      for (std::int64_t i = 0; i < kRequests; ++i) events.bad += dice.Chance(rates[pod]) ? 1 : 0;
      stream.candidate[pod].much_slower = events;
    }
    const std::int64_t stable = kRequests * static_cast<std::int64_t>(slow.candidate);
    segment.assigned.stable += stable;
    stream.stable.requests += stable;
    for (std::int64_t i = 0; i < stable; ++i) stream.stable.bad += dice.Chance(stable_rate) ? 1 : 0;
    if (Aborts(settings, observed)) return true;
  }
  return false;
}

Count LatencyAborts(std::uint64_t seed, std::int64_t runs, const Slow& slow) {
  Count count;
  Dice dice(seed);
  for (std::int64_t run = 0; run < runs; ++run) Tried(count, AbortsForLatency(dice, slow));
  return count;
}

TEST(Simulated, PodsThatDifferByTenPercentAreNotAborted) {
  ExpectShownBelow(LatencyAborts(400, 10 * kRuns, {1, 1}), kAlpha, "latency, one pod against one");
  ExpectShownBelow(LatencyAborts(401, 10 * kRuns, {1, 9}), kAlpha, "latency, one pod against nine");
  ExpectShownBelow(LatencyAborts(402, 5 * kRuns, {2, 2}), kAlpha, "latency, two pods against two");
  const Count naive = LatencyAborts(403, kRuns, {1, 1, 1, true});
  Print("latency, one pod against one, if slow meant over the threshold", naive.Text());
  EXPECT_GT(naive.Rate(), 0.05) << "then why the margin?";
}

TEST(Simulated, OneThatIsTwiceAsSlowIsAborted) {
  const Count one = LatencyAborts(410, kRuns, {1, 1, 2});
  const Count two = LatencyAborts(411, kRuns, {2, 2, 2});
  Print("latency, twice as slow, one pod", one.Text());
  Print("latency, twice as slow, two pods", two.Text());
  EXPECT_GT(one.Rate(), 0.8);
  EXPECT_GT(two.Rate(), 0.95);
}

// A caller all of whose requests are errors, among 2,000 sessions of ten requests. In sticky mode all of them
// go the same way.
bool AbortsForACaller(Dice& dice, bool count_sessions) {
  constexpr double kWeight = 0.1;
  Observed observed;
  Segment& segment = observed.segments.emplace_back(Segment{.weight = kWeight});
  Stream& stream = StreamOf(segment, Metric::kErrors, 1);
  const Settings settings = One(Metric::kErrors, 1.5);
  for (int session = 0; session < 2000; ++session) {
    const bool is_caller = session == 100;
    const bool is_candidate = dice.Chance(kWeight);
    const std::int64_t requests = count_sessions ? 1 : is_caller ? 500 : 10;
    (is_candidate ? segment.assigned.candidate : segment.assigned.stable) += requests;
    Events& events = is_candidate ? stream.candidate[0].events : stream.stable;
    events.requests += requests;
    events.bad += is_caller ? requests : dice.Chance(0.01) ? 1 : 0;
    if (Aborts(settings, observed)) return true;
  }
  return false;
}

TEST(Simulated, ABadCallerIsNotTheCandidatesFault) {
  Dice dice(500);
  Count sticky;
  Count requests;
  Count split;
  for (std::int64_t run = 0; run < 10 * kRuns; ++run) Tried(sticky, AbortsForACaller(dice, true));
  for (std::int64_t run = 0; run < 5 * kRuns; ++run) Tried(requests, AbortsForACaller(dice, false));
  // Without sticky sessions his requests go both ways, as everybody's.
  for (std::int64_t run = 0; run < 5 * kRuns; ++run)
    Tried(split, RequestsToAbort(dice, One(Metric::kErrors, 1), {{0.1, 10'000, 0.3, {0.3}}}) != kNever);
  ExpectShownBelow(sticky, kAlpha, "one bad caller, sticky, sessions counted");
  ExpectAtMost(split, kAlpha, "one bad caller with 30 % of the requests, not sticky");
  Print("one bad caller, sticky, if requests were counted", requests.Text());
  EXPECT_GT(requests.Rate(), 0.05) << "then why count sessions?";
}

// A pod whose container may end at any time; what it counted since it was asked last is lost with it.
struct RestartingPod {
  std::string uid;
  int container = 0;
  Events now;
};

TEST(Simulated, CountersThatRestartDeceiveNobody) {
  Count count;
  Dice dice(600);
  for (std::int64_t run = 0; run < 2 * kRuns; ++run) {
    Observed observed;
    Segment& segment = observed.segments.emplace_back(Segment{.weight = 0.2});
    Stream& stream = StreamOf(segment, Metric::kErrors, 2);
    std::vector<RestartingPod> pods{{"candidate-0"}, {"candidate-1"}, {"stable-0"}, {"stable-1"}};
    Tally candidate;
    Tally stable;
    Events before;
    bool aborted = false;
    for (int reading = 0; reading < 200 && !aborted; ++reading) {
      for (RestartingPod& pod : pods) {
        const bool is_candidate = pod.uid.starts_with("candidate");
        for (int part = 0; part < 2; ++part) {
          const std::int64_t requests = dice.Poisson(is_candidate ? 10 : 40);
          pod.now.requests += requests;
          for (std::int64_t i = 0; i < requests; ++i) pod.now.bad += dice.Chance(0.02) ? 1 : 0;
          if (part == 0 && dice.Chance(is_candidate ? 0.1 : 0.02)) pod = {pod.uid, pod.container + 1, {}};
        }
        (is_candidate ? candidate : stable).Read({pod.uid, std::to_string(pod.container)}, pod.now);
      }
      for (PodEvents& pod : stream.candidate) pod.events = candidate.ByPod()[pod.pod];
      stream.stable = stable.Total();
      segment.assigned = {candidate.Total().requests, stable.Total().requests};
      const Events now = candidate.Total() + stable.Total();
      ASSERT_GE(now.requests, before.requests);
      ASSERT_GE(now.bad, before.bad);
      before = now;
      aborted = Aborts(One(Metric::kErrors, 1), observed);
    }
    Tried(count, aborted);
  }
  ExpectAtMost(count, kAlpha, "false aborts, containers that restart");
}

// When a step comes to an end, looking after each 200 requests.
struct End {
  Outcome outcome = Outcome::kInconclusive;
  std::int64_t requests = kNever;
};

End StepEnds(Dice& dice, const Step& step) {
  const Settings settings = One(Metric::kErrors, 1.5);
  Observed observed{.elapsed = std::chrono::hours(1)};
  Feed feed(observed, Metric::kErrors, step);
  for (std::int64_t requests = 1; requests <= step.requests; ++requests) {
    feed.Next(dice);
    if (requests % 200 != 0) continue;
    const Outcome outcome = Judge(settings, observed).outcome;
    if (outcome != Outcome::kInconclusive) return {outcome, requests};
  }
  return {};
}

TEST(Simulated, AsGoodACandidateIsPromotedInReasonableTime) {
  std::uint64_t seed = 700;
  for (const double weight : {0.05, 0.1, 0.5}) {
    for (const double base : {0.0, 0.001, 0.01, 0.05}) {
      Dice dice(seed++);
      std::vector<std::int64_t> took;
      Count missed;
      for (std::int64_t run = 0; run < kRuns; ++run) {
        const End end = StepEnds(dice, {weight, 200'000, base, {base}});
        took.push_back(end.requests);
        Tried(missed, end.outcome != Outcome::kPass);
      }
      const auto of_candidate = static_cast<std::int64_t>(static_cast<double>(Median(took)) * weight);
      Print(std::format("requests to pass: weight {}, {} against {}", weight, base, base),
            std::format("{}, of these the candidate's {}; missed by {}", Median(took), of_candidate,
                        missed.Text()));
      EXPECT_LE(of_candidate, 1500);
      EXPECT_LE(missed.Rate(), 0.05);
    }
  }
}

TEST(Simulated, AWorseOneIsSeldomPromoted) {
  for (const double worse : {2.0, 3.0, 5.0}) {
    Count passed;
    Dice dice(800);
    for (std::int64_t run = 0; run < 2 * kRuns; ++run)
      Tried(passed, StepEnds(dice, {0.1, 100'000, 0.01, {0.01 * worse}}).outcome == Outcome::kPass);
    Print(std::format("passes a step: weight 0.1, {} against 0.01", 0.01 * worse), passed.Text());
    EXPECT_LE(passed.Rate(), worse < 3 ? 0.1 : 0.02);
  }
}

}  // namespace
}  // namespace pilotlight::analysis
