#pragma once

// A front on its feet, for tests: in a folder of its own, on a thread of its own, before a scripted engine.

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "common/http/testing.h"
#include "sidecar/front/front.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front::testing {

inline constexpr std::string_view kJson = "content-type: application/json\r\n";
inline constexpr const char* kInfer = "/v2/models/digits/infer";

// The body of an inference of one row that begins with `first`.
std::string infer_body(float first);

// The whole of that request, as it goes over a connection that is kept.
std::string infer_request(float first);

// Options and configuration may be changed until run(). The checks are GoogleTest's.
class StandingFront {
 public:
  StandingFront();
  ~StandingFront();
  StandingFront(const StandingFront&) = delete;
  StandingFront& operator=(const StandingFront&) = delete;

  // Starts the front and its thread; `prepare` may change the script before.
  void run(const std::function<void(ScriptedLauncher&)>& prepare = {});
  void run_until_ready();
  // Ends it, as by force. It may be run again.
  void stop();

  // Does it on the front's thread, and waits.
  void on_its_thread(const std::function<void()>& call) const;

  nlohmann::json status() const;
  nlohmann::json await_phase(std::string_view phase) const;
  // The first status of which it holds; fails after ten seconds.
  nlohmann::json await(const std::function<bool(const nlohmann::json&)>& holds, std::string_view what) const;

  // Until an engine serves again, after so many have ended.
  nlohmann::json await_restarted(int restarts) const;
  // Until an engine has its first inference.
  void await_begun() const;

  http::testing::Answer get(std::string_view target) const;
  http::testing::Answer post(std::string_view target, std::string_view body,
                             std::string_view fields = kJson) const;
  // Inferred in binary, both ways.
  http::testing::Answer post_binary(std::array<float, 3> row) const;
  // Begins to drain; it comes when that has ended.
  std::future<void> drain();
  // The value of the series "name{labels}"; -1 if there is none.
  double metric(const std::string& name) const;

  std::filesystem::path folder_;
  Config config_;  // of the model "digits", revision r1
  FrontOptions options_;
  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<ScriptedLauncher> script_;
  std::unique_ptr<Front> front_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::uint16_t admin_ = 0;
};

// One of them, for each test.
class FrontTest : public ::testing::Test, protected StandingFront {};

}  // namespace pilotlight::front::testing
