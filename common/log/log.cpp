#include "common/log/log.h"

#include <spdlog/sinks/callback_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace pilotlight::log {
namespace {

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warn:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Bytes that are not UTF-8 become U+FFFD: a line that breaks its reader is worse than a lost byte.
std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Append(std::string& line, const Field& field) {
  line += ',';
  line += Quoted(field.key);
  line += ':';
  std::visit(
      [&line](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) {
          line += Quoted(value);
        } else {
          line += nlohmann::json(value).dump();
        }
      },
      field.value.any());
}

std::shared_ptr<spdlog::logger> MakeLogger(const Options& options) {
  spdlog::sink_ptr sink;
  if (options.sink) {
    auto formatter = [write = options.sink](const spdlog::details::log_msg& msg) {
      write(std::string_view(msg.payload.data(), msg.payload.size()));
    };
    sink = std::make_shared<spdlog::sinks::callback_sink_mt>(formatter);
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  auto logger = std::make_shared<spdlog::logger>("pilotlight", std::move(sink));
  logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)", spdlog::pattern_time_type::utc);
  logger->set_level(ToSpdlog(options.level));
  return logger;
}

// The first line may come from any thread, before anybody has configured anything.
spdlog::logger& Default() {
  static const bool once = [] {
    if (!spdlog::get("pilotlight")) Configure({});
    return true;
  }();
  (void)once;
  return *spdlog::default_logger_raw();
}

}  // namespace

void Configure(const Options& options) {
  spdlog::set_default_logger(MakeLogger(options));
}

Level ParseLevel(std::string_view name) {
  if (name == "debug") return Level::Debug;
  if (name == "warn") return Level::Warn;
  if (name == "error") return Level::Error;
  return Level::Info;
}

Logger Logger::With(Fields fields) const {
  Logger result = *this;
  for (const Field& field : fields) Append(result.bound_, field);
  return result;
}

void Logger::Write(Level level, std::string_view message, Fields fields) const {
  spdlog::logger& logger = Default();
  if (!logger.should_log(ToSpdlog(level))) return;
  std::string line = "\"msg\":" + Quoted(message) + bound_;
  for (const Field& field : fields) Append(line, field);
  line += '}';
  logger.log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace pilotlight::log
