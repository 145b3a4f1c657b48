#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/http/message.h"
#include "sidecar/front/split/epochs.h"
#include "sidecar/front/status.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// What the operator may have the front do: the signed calls of the admin port. A call that is refused changes
// nothing. Runs on the loop's thread.
class Orders {
 public:
  // What each call does. An error is the body's, as a sentence: nothing was done.
  struct Outlets {
    std::function<std::expected<void, std::string>(std::uint64_t epoch, const nlohmann::json& body)> split;
    std::function<void()> drain;
  };

  // `keys` is the folder of the operator's public keys, `state` the scratch volume.
  Orders(const Identity& identity, std::filesystem::path keys, const std::filesystem::path& state,
         Timers& timers, Outlets outlets);

  // Whether there is such a call: "/split", "/drain".
  static bool known(std::string_view path);
  // Does what the envelope says, or says why not.
  http::Response obey(std::string_view path, std::string_view envelope);
  // Of the call that was obeyed last; 0: none yet.
  std::uint64_t last_epoch() const { return epochs_.last(); }

 private:
  std::expected<void, std::string> perform(std::string_view path, const SignedCall& call);

  Identity identity_;
  std::filesystem::path keys_;
  Timers& timers_;
  Outlets outlets_;
  Epochs epochs_;
};

}  // namespace pilotlight::front
