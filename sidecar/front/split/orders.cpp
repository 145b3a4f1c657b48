#include "sidecar/front/split/orders.h"

#include <format>
#include <utility>

#include "common/log/log.h"
#include "sidecar/front/split/operator_keys.h"

namespace pilotlight::front {

Orders::Orders(const Identity& identity, std::filesystem::path keys, const std::filesystem::path& state,
               Timers& timers, Outlets outlets)
    : identity_(identity),
      keys_(std::move(keys)),
      timers_(timers),
      outlets_(std::move(outlets)),
      epochs_(state, identity.pod_uid + "/" + identity.revision) {}

bool Orders::known(std::string_view path) {
  return path == "/split" || path == "/drain";
}

http::Response Orders::obey(std::string_view path, std::string_view envelope) {
  const auto name = std::format("PUT {}", path);
  const auto refused = [&](unsigned status, std::string_view why) {
    log::Warn("A call is refused", {{"call", name}, {"status", std::uint64_t{status}}, {"why", why}});
    return http::error(status, why);
  };
  const auto call = read_signed_call(envelope, read_operator_keys(keys_), name, identity_, timers_.wall());
  if (!call) return refused(call.error().status, call.error().message);
  switch (epochs_.judge(*call)) {
    case Epochs::Order::kOlder:
      return refused(409, std::format("the call's epoch {} is older than {}, which was applied last; sign it "
                                      "with a later one",
                                      call->epoch, epochs_.last()));
    case Epochs::Order::kOther:
      return refused(409, std::format("another call of the epoch {} was applied; sign it with a later one",
                                      call->epoch));
    case Epochs::Order::kNewer:
    case Epochs::Order::kSame:
      break;
  }
  // Done before it is noted: who dies in between is told again, and does it again.
  if (const auto done = perform(path, *call); !done) return refused(400, done.error());
  epochs_.applied(*call);
  log::Info("A call is obeyed", {{"call", name}, {"epoch", call->epoch}});
  return {.body = std::format(R"({{"epoch":{}}})", call->epoch)};
}

std::expected<void, std::string> Orders::perform(std::string_view path, const SignedCall& call) {
  if (path == "/split") return outlets_.split(call.epoch, call.body);
  outlets_.drain();
  return {};
}

}  // namespace pilotlight::front
