#pragma once

// An engine without LibTorch, for tests: it speaks the wire protocol from a thread and does as it is told.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sidecar/front/launcher.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::front::testing {

// One input "x" and one output "y", FP32 of [-1,3]; y is labelled a, b, c.
wire::Contract small_contract();

// What the scripted model, y = 2·x, does when x[0] is this instead of answering.
inline constexpr float kCrash = 9001;      // the engine dies
inline constexpr float kHang = 9002;       // never answers
inline constexpr float kThrow = 9003;      // the model's error
inline constexpr float kBadShape = 9004;   // an output of another shape than the contract's
inline constexpr float kOutside = 9005;    // an output outside its region
inline constexpr float kGarbage = 9006;    // a packet that is none
inline constexpr float kNan = 9007;        // an output that is not a number
inline constexpr float kSlow = 9008;       // answers once release() is called
inline constexpr float kSlowCrash = 9011;  // the engine dies once release() is called
inline constexpr float kTooLarge = 9009;
inline constexpr float kForbidden = 9010;  // a system call that the sandbox forbids
inline constexpr float kDeviceFails = 9012;
inline constexpr float kSaysOther = 9013;  // says while serving what only a loading engine may, and dies

class ScriptedLauncher final : public Launcher {
 public:
  explicit ScriptedLauncher(boost::asio::io_context& io) : io_(io) {}

  std::expected<Launched, std::string> launch(Role role, std::function<void(Exit)> ended) override;

  // Lets every kSlow and kSlowCrash inference, now and later, come to its end.
  void release() { released_ = true; }

  // What a loaded engine serves by, and how each role answers a Load; all may be changed between launches.
  wire::Contract contract = small_contract();
  enum class OnLoad {
    kLoaded,
    kFailed,
    kDies,
    kKilled,
    kSilent,
    kViolates,
    kViolatesSilently,
    kBreaksDevice,
    kGraphBreaksDevice,
    kGraphDies,
    kGraphHangs,
    kGraphSilent  // hangs, and has not said how long it may take
  };
  std::atomic<OnLoad> check = OnLoad::kLoaded;
  std::atomic<OnLoad> serve = OnLoad::kLoaded;
  nlohmann::json failure = {
      {"class", "Revision"}, {"reason", "GoldenMismatch"}, {"message", "m"}, {"remedy", "r"}};
  nlohmann::json proof = {{"level", "Answers"}};
  std::atomic<int> checks = 0;  // how many engines of each role were started
  std::atomic<int> serves = 0;
  std::atomic<int> inferences = 0;
  std::atomic<float> factor = 2;  // of y = factor·x
  // If not 0: what each inference is taken to begin with, whatever was sent.
  std::atomic<float> always = 0;

  // How golden cases are answered that are run again. The case of that number, where there is one, fails so
  // many times more; kSilent: none is answered; kDies: the engine dies once release() is called.
  static constexpr int kNone = -1;
  static constexpr int kSilent = -2;
  static constexpr int kDies = -3;
  std::atomic<int> bad_case = kNone;
  std::atomic<int> failures_left = 1'000'000;
  std::atomic<int> rechecks = 0;  // how many have been asked for

 private:
  class Thread;

  boost::asio::io_context& io_;
  std::atomic<bool> released_ = false;
};

}  // namespace pilotlight::front::testing
