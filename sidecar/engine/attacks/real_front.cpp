#include "sidecar/engine/attacks/real_front.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <csignal>
#include <fstream>

#include "common/log/log.h"
#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/engine/bundle/sha256.h"
#include "sidecar/engine/testing/archives.h"
#include "sidecar/front/sizes.h"

namespace pilotlight::engine::testing {

using nlohmann::json;

namespace {

void set_child_signals(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  ::pthread_sigmask(how, &signals, nullptr);
}

using Signed = RealFront::Limits::Signed;

void demand_signature(front::Config& config, const std::string& model, Signed how) {
  const signature::testing::Signer known;
  const signature::testing::Signer other;
  config.signature = front::SignatureDemand{.uri = config.uri + ".sig", .keys = {known.public_key()}};
  if (how == Signed::kByNobody) return;
  std::ofstream(config.signature->uri) << signature::testing::sign_model(
      how == Signed::kByWhoIsKnown ? known : other, sha256_text(bytes(model)));
}

}  // namespace

RealFront::RealFront(const std::string& model, const Limits& limits) {
  log::Configure({.level = log::Level::Error, .sink = [](std::string_view) {}});
  auto name = (std::filesystem::temp_directory_path() / "attack-test-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  std::ofstream(folder_ / "model.pt") << model;

  auto config = front::laptop_config((folder_ / "model.pt").string());
  config.validation_timeout = limits.check;
  config.endpoint_timeout = limits.request;
  config.load.format = limits.format;
  if (limits.is_signed != Limits::Signed::kNotAsked) demand_signature(config, model, limits.is_signed);
  front::FrontOptions options;
  options.data_address = options.admin_address = options.hop_address = "127.0.0.1:0";
  options.state = folder_ / "state";
  options.credentials.clear();
  options.termination_log.clear();
  launcher_ = std::make_unique<front::SpawnLauncher>(
      children_, PILOTLIGHT_ENGINE,
      front::EngineSettings{.threads = 2,
                            .data_bytes = limits.data_bytes,
                            .machine_code = front::engine_settings(config).machine_code});
  front_ = std::make_unique<front::Front>(io_, config, options, *launcher_);
  const auto started = front_->start();
  EXPECT_TRUE(started) << started.error();
  // The end of an engine is the loop's to hear of; it would break off what the test waits for.
  set_child_signals(SIG_BLOCK);
  thread_ = std::thread([this] {
    set_child_signals(SIG_UNBLOCK);
    io_.run();
  });
}

RealFront::~RealFront() {
  io_.stop();
  thread_.join();
  front_.reset();
  std::filesystem::remove_all(folder_);
}

json RealFront::status() const {
  return json::parse(http::testing::call(front_->admin_port(), "GET", "/status").body);
}

json RealFront::await(const std::function<bool(const json&)>& holds, std::string_view what) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < until) {
    auto now = status();
    if (holds(now)) return now;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "not within a minute: " << what << "; status is " << status().dump();
  return {};
}

json RealFront::await_phase(std::string_view phase) const {
  return await([&](const json& now) { return now["phase"] == phase; }, phase);
}

http::testing::Answer RealFront::infer(const std::vector<float>& x) const {
  const json body = {
      {"inputs", {{{"name", "x"}, {"datatype", "FP32"}, {"shape", {1, x.size()}}, {"data", x}}}}};
  return http::testing::call(front_->data_port(), "POST", "/v2/models/model/infer", body.dump(),
                             "content-type: application/json\r\n");
}

std::vector<float> numbers(const http::testing::Answer& answer) {
  if (answer.status != 200) {
    ADD_FAILURE() << answer.status << ": " << answer.body;
    return {};
  }
  return json::parse(answer.body).at("outputs").at(0).at("data").get<std::vector<float>>();
}

}  // namespace pilotlight::engine::testing
