#include "sidecar/front/engine.h"

#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "common/log/log.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::front {

struct Engine::Alive {};

Engine::Engine(boost::asio::io_context& io, EngineEvents events)
    : events_(std::move(events)),
      socket_(io),
      buffer_(wire::kMaxPacketBytes),
      alive_(std::make_shared<Alive>()) {}

Engine::~Engine() = default;

std::expected<std::unique_ptr<Engine>, std::string> Engine::start(boost::asio::io_context& io,
                                                                  Launcher& launcher, Role role,
                                                                  EngineEvents events) {
  std::unique_ptr<Engine> engine(new Engine(io, std::move(events)));
  auto launched =
      launcher.launch(role, [raw = engine.get(), alive = std::weak_ptr(engine->alive_)](Exit exit) {
        if (!alive.expired()) raw->ended(exit);
      });
  if (!launched) return std::unexpected(launched.error());
  engine->socket_.assign(launched->socket.release());
  engine->process_ = std::move(launched->process);
  engine->wait();
  return engine;
}

bool Engine::load(const wire::LoadRequest& request, std::span<const int> descriptors) {
  return wire::send_json(socket_.native_handle(), wire::Kind::kLoad, wire::to_json(request), descriptors)
      .has_value();
}

bool Engine::infer(const wire::Infer& infer) {
  return wire::send_packet(socket_.native_handle(), wire::infer_bytes(infer)).has_value();
}

bool Engine::recheck(const wire::Recheck& recheck) {
  return wire::send_json(socket_.native_handle(), wire::Kind::kRecheck, wire::to_json(recheck)).has_value();
}

void Engine::kill() {
  if (process_) process_->kill();
}

void Engine::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this, alive = std::weak_ptr(alive_)](boost::system::error_code failed) {
                       if (failed || alive.expired()) return;
                       drain();
                       if (!alive.expired() && socket_.is_open()) wait();
                     });
}

// Everything that has come. Stops when the engine has closed its end; that it has ended is told by its exit.
void Engine::drain() {
  const std::weak_ptr alive(alive_);
  while (!alive.expired() && socket_.is_open()) {
    const auto received = wire::receive_packet(socket_.native_handle(), buffer_);
    if (!received && received.error() == std::errc::operation_would_block) return;
    if (!received || received->bytes == 0) {
      boost::system::error_code ignored;
      std::ignore = socket_.close(ignored);
      // An engine that cannot be talked to is of no use, and must not linger.
      kill();
      return;
    }
    packet(std::span(buffer_).first(received->bytes));
  }
}

void Engine::packet(std::span<const std::byte> bytes) {
  const auto kind = wire::packet_kind(bytes);
  if (kind == wire::Kind::kResult) {
    const auto result = wire::parse_result(bytes);
    if (result) return events_.result ? events_.result(*result) : void();
    log::Error("The engine sent a malformed result; it is ended", {{"error", result.error()}});
    return kill();
  }
  const auto document = wire::packet_json(bytes);
  if (kind == wire::Kind::kRechecked && document) {
    const auto result = wire::rechecked_from_json(*document);
    if (result) return events_.rechecked ? events_.rechecked(*result) : void();
    log::Error("The engine sent a malformed re-check; it is ended", {{"error", result.error()}});
    return kill();
  }
  const auto* handler = kind == wire::Kind::kProgress    ? &events_.progress
                        : kind == wire::Kind::kLoaded    ? &events_.loaded
                        : kind == wire::Kind::kFailed    ? &events_.failed
                        : kind == wire::Kind::kViolation ? &events_.violation
                                                         : nullptr;
  if (handler == nullptr || !document) {
    log::Error("The engine sent a malformed packet; it is ended",
               {{"error", document ? std::string("unknown kind") : document.error()}});
    return kill();
  }
  if (*handler) (*handler)(*document);
}

void Engine::ended(Exit exit) {
  const std::weak_ptr alive(alive_);
  drain();  // its last words
  if (alive.expired()) return;
  boost::system::error_code ignored;
  std::ignore = socket_.close(ignored);
  // Moved out, as it may destroy this engine.
  if (const auto exited = std::move(events_.exited)) exited(exit);
}

}  // namespace pilotlight::front
