#include "sidecar/front/standing_front_for_test.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <format>
#include <fstream>
#include <future>

#include "common/log/log.h"

namespace pilotlight::front::testing {

using http::testing::Answer;
using nlohmann::json;
using std::chrono::milliseconds;

std::string infer_body(float first) {
  return std::format(R"({{"inputs":[{{"name":"x","datatype":"FP32","shape":[1,3],"data":[{},2,3]}}]}})",
                     first);
}

std::string infer_request(float first) {
  const std::string body = infer_body(first);
  return std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer, body.size(),
                     body);
}

StandingFront::StandingFront() {
  log::Configure({.level = log::Level::Error, .sink = [](std::string_view) {}});
  auto name = (std::filesystem::temp_directory_path() / "front-test-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  std::ofstream(folder_ / "digits.tar") << "the model";
  config_ = laptop_config((folder_ / "digits.tar").string());
  config_.identity.revision = "r1";
  options_.data_address = options_.admin_address = options_.hop_address = "127.0.0.1:0";
  options_.loopback_peers = true;
  options_.state = folder_ / "state";
  options_.credentials.clear();
  options_.operator_keys = folder_ / "operator-keys";
  options_.termination_log = folder_ / "last-words";
  std::ofstream(options_.termination_log).flush();
  options_.drain = {.quiet = milliseconds(50), .least = milliseconds(50), .most = milliseconds(500)};
}

StandingFront::~StandingFront() {
  stop();
  std::filesystem::remove_all(folder_);
}

void StandingFront::run(const std::function<void(ScriptedLauncher&)>& prepare) {
  io_ = std::make_unique<boost::asio::io_context>(1);
  script_ = std::make_unique<ScriptedLauncher>(*io_);
  if (prepare) prepare(*script_);
  front_ = std::make_unique<Front>(*io_, config_, options_, *script_);
  const auto started = front_->start();
  ASSERT_TRUE(started) << started.error();
  port_ = front_->data_port();
  admin_ = front_->admin_port();
  thread_ = std::thread([this] { io_->run(); });
}

void StandingFront::run_until_ready() {
  run();
  await_phase("Ready");
}

void StandingFront::stop() {
  if (!thread_.joinable()) return;
  io_->stop();
  thread_.join();
  front_.reset();
  io_.reset();
  script_.reset();
}

void StandingFront::on_its_thread(const std::function<void()>& call) const {
  std::promise<void> done;
  boost::asio::post(*io_, [&] {
    call();
    done.set_value();
  });
  done.get_future().wait();
}

json StandingFront::status() const {
  return json::parse(http::testing::call(admin_, "GET", "/status").body);
}

json StandingFront::await_phase(std::string_view phase) const {
  return await([&](const json& now) { return now["phase"] == phase; }, phase);
}

json StandingFront::await(const std::function<bool(const json&)>& holds, std::string_view what) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until) {
    auto now = status();
    if (holds(now)) return now;
    std::this_thread::sleep_for(milliseconds(5));
  }
  ADD_FAILURE() << "not within 10 s: " << what << "; status is " << status().dump();
  return {};
}

json StandingFront::await_restarted(int restarts) const {
  return await([&](const json& now) { return now["ready"] == true && now["engine"]["restarts"] == restarts; },
               "restarted");
}

void StandingFront::await_begun() const {
  await([&](const json&) { return script_->inferences == 1; }, "begun");
}

Answer StandingFront::get(std::string_view target) const {
  return http::testing::call(port_, "GET", target);
}

Answer StandingFront::post(std::string_view target, std::string_view body, std::string_view fields) const {
  return http::testing::call(port_, "POST", target, body, fields);
}

Answer StandingFront::post_binary(std::array<float, 3> row) const {
  const std::string head =
      R"({"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[1,3],)"
      R"("parameters":{"binary_data_size":12}}],"parameters":{"binary_data_output":true}})";
  const std::string raw(reinterpret_cast<const char*>(row.data()), sizeof row);
  return post(kInfer, head + raw,
              std::format("content-type: application/octet-stream\r\n"
                          "inference-header-content-length: {}\r\n",
                          head.size()));
}

std::future<void> StandingFront::drain() {
  const auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  boost::asio::post(*io_, [this, done] { front_->drain([done] { done->set_value(); }); });
  return future;
}

double StandingFront::metric(const std::string& name) const {
  const auto text = "\n" + http::testing::call(admin_, "GET", "/metrics").body;
  const auto at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

}  // namespace pilotlight::front::testing
