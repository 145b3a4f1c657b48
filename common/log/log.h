// Log lines for machines: a constant message and typed keys, one JSON object a line on standard error.
//
//   log::Info("Started worker", {{"controller", "modeldeployment"}, {"workers", 4}});
//   → {"time":"2026-11-23T21:40:00.123Z","level":"info","msg":"Started worker","controller":…,"workers":4}
//
// Never log a secret, a token, a request's Authorization or an exec plugin's output.
// Thread-safety: everything here may be called from any thread; Configure best before threads start.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace pilotlight::log {

enum class Level : std::uint8_t { Debug, Info, Warn, Error };

// What a key can hold. Text is only looked at during the call.
class Value {
 public:
  using Any = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;
  Value(bool value) : any_(value) {}  // NOLINT(*-explicit-*): made for braces
  Value(std::signed_integral auto value) : any_(static_cast<std::int64_t>(value)) {}
  Value(std::unsigned_integral auto value) : any_(static_cast<std::uint64_t>(value)) {}
  Value(std::floating_point auto value) : any_(static_cast<double>(value)) {}
  Value(std::string_view value) : any_(value) {}
  Value(const std::string& value) : any_(std::string_view(value)) {}
  Value(const char* value) : any_(std::string_view(value)) {}
  const Any& any() const { return any_; }

 private:
  Any any_;
};

struct Field {
  std::string_view key;
  Value value;
};
using Fields = std::initializer_list<Field>;

struct Options {
  // Lines below this level are dropped. Default: Info.
  Level level = Level::Info;
  // Where lines go, without their newline. Default: standard error. For tests and embedding.
  std::function<void(std::string_view line)> sink;
};
void Configure(const Options& options);

// The level called "debug", "info", "warn" or "error"; Info for anything else.
Level ParseLevel(std::string_view name);

// Carries fields that are the same on every line of one activity, such as a reconcile's id.
// Immutable; copies are cheap enough for one per activity, not for one per line.
class Logger {
 public:
  Logger() = default;
  [[nodiscard]] Logger With(Fields fields) const;

  void Debug(std::string_view message, Fields fields = {}) const { Write(Level::Debug, message, fields); }
  void Info(std::string_view message, Fields fields = {}) const { Write(Level::Info, message, fields); }
  void Warn(std::string_view message, Fields fields = {}) const { Write(Level::Warn, message, fields); }
  void Error(std::string_view message, Fields fields = {}) const { Write(Level::Error, message, fields); }
  void Write(Level level, std::string_view message, Fields fields) const;

 private:
  std::string bound_;  // already rendered: ,"key":value…
};

inline void Debug(std::string_view message, Fields fields = {}) {
  Logger().Debug(message, fields);
}
inline void Info(std::string_view message, Fields fields = {}) {
  Logger().Info(message, fields);
}
inline void Warn(std::string_view message, Fields fields = {}) {
  Logger().Warn(message, fields);
}
inline void Error(std::string_view message, Fields fields = {}) {
  Logger().Error(message, fields);
}

}  // namespace pilotlight::log
