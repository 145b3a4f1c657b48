#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/front/split/agreement.h"
#include "sidecar/front/split/counted_pods.h"
#include "sidecar/front/split/sessions.h"
#include "sidecar/front/split/shadow_counts.h"
#include "sidecar/front/split/tolerance.h"

namespace pilotlight::front {

// Whom a request counts for: whom it fell to, whoever has answered it.
enum class Arm { kStable, kCandidate };
inline constexpr std::size_t kArms = 2;

enum class Verdict {
  kGood,
  kClientError,  // a status of 400 to 499, but for 422
  kError,        // bad: a status of 500 or above; or 422, as the engine has ended with these inputs before
  kHopFailure,   // bad: no answer came
  kCancelled     // the client did not wait
};
inline constexpr std::size_t kVerdicts = 5;
std::string_view verdict_name(Verdict verdict);
constexpr bool is_bad(Verdict verdict) {
  return verdict == Verdict::kError || verdict == Verdict::kHopFailure;
}
// Of an answer. The same for both arms.
Verdict verdict_of(unsigned status);

// Why a request did not count for either.
enum class Unsplit {
  kAsked,     // it named a revision
  kTooLarge,  // its body is not to be held
  kExpired,   // the split had
  kNoPeer,    // it fell to the candidate, none of whose pods was there
  kNoRoom     // or to which there were connections enough
};
inline constexpr std::size_t kUnsplits = 5;
std::string_view unsplit_name(Unsplit why);

// What became of a request that a candidate was to answer as well.
enum class Shadow {
  kAgreed,
  kDisagreed,
  kFailed,  // no answer, or none that can be compared
  kDropped  // not sent, or refused for want of room
};
inline constexpr std::size_t kShadows = 4;
std::string_view shadow_name(Shadow result);

// What the requests of one split came to. A segment is the time in which the rules stay the same: what the
// dice depend on, the threshold, and the operator's own name for it; it has the epochs from its first to its
// last. The last four are kept. Runs on the loop's thread.
class Tally {
 public:
  static constexpr std::size_t kMostSegments = 4;
  static constexpr std::size_t kMostShadows = 32;  // pods of a segment that are compared
  using Seconds = std::chrono::duration<double>;

  struct Rules {
    unsigned hundredths = 0;
    std::string salt;
    std::string sticky_header;
    std::string candidate;      // revision; may be empty
    std::string label;          // the operator's own word for the segment
    Seconds slow_threshold{0};  // zero: what is slow is not counted
    std::optional<Tolerance> mirror;

    bool operator==(const Rules&) const = default;
  };
  // Goes on with the segment that there is, if its rules are the same.
  void apply(std::uint64_t epoch, const Rules& rules, std::chrono::system_clock::time_point now);

  struct Event {
    std::uint64_t segment;  // its first epoch
    Arm arm;
    Verdict verdict;
    std::string_view pod;  // that was to answer
    std::uint64_t session;
    Seconds took;
    std::chrono::system_clock::time_point now;
  };
  // What belongs to a segment that is not kept any more counts in the totals only.
  void count(const Event& event);
  void unsplit(std::uint64_t segment, Unsplit why);

  struct Mirrored {
    std::uint64_t segment;           // its first epoch
    std::string_view pod;            // that it was sent to
    std::optional<Agreement> found;  // nothing: it has failed
    std::chrono::system_clock::time_point now;
  };
  // Of the candidate, but no request of either side.
  void mirrored(const Mirrored& event);
  void mirror_dropped(std::uint64_t segment);

  // The segment of what begins now: its first epoch, or 0.
  std::uint64_t segment() const { return segments_.empty() ? 0 : segments_.back().epoch; }

  // Since the start.
  std::uint64_t total(Arm arm, Verdict verdict) const;
  std::uint64_t total(Unsplit why) const { return unsplit_[static_cast<std::size_t>(why)]; }
  std::uint64_t total(Shadow result) const { return shadows_[static_cast<std::size_t>(result)]; }

  // docs/sidecar.md, split.segments. `stable` is this pod's revision.
  nlohmann::json to_json(const std::string& stable) const;
  // The upper bounds of the latencies' buckets, in seconds; one more has no bound.
  static nlohmann::json latency_bounds();

 private:
  static constexpr std::array<double, 14> kBounds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                  0.1,    0.2,   0.5,   1,     2,    5,    10};
  using Verdicts = std::array<std::uint64_t, kVerdicts>;
  struct ArmCounts {
    Verdicts verdicts{};
    std::array<std::uint64_t, kBounds.size() + 1> latency{};  // of the good ones
    CountedPods pods;
    Sessions sessions;
  };
  struct Segment {
    std::uint64_t epoch;
    std::uint64_t last_epoch;
    Rules rules;
    std::chrono::system_clock::time_point applied_at;
    std::array<ArmCounts, kArms> arms;
    std::array<std::uint64_t, kUnsplits> unsplit{};
    std::map<std::string, ShadowCounts, std::less<>> shadows;
    std::uint64_t mirror_dropped = 0;
  };
  Segment* find(std::uint64_t epoch);
  static std::int64_t unix_second(std::chrono::system_clock::time_point time);
  static nlohmann::json segment_json(const Segment& segment, const std::string& stable);
  static nlohmann::json arm_json(const ArmCounts& arm, const Rules& rules);

  std::deque<Segment> segments_;
  std::array<Verdicts, kArms> totals_{};
  std::array<std::uint64_t, kUnsplits> unsplit_{};
  std::array<std::uint64_t, kShadows> shadows_{};
};

}  // namespace pilotlight::front
