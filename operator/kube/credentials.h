// What goes into a request's Authorization header, kept fresh.
//
// Thread-safety: all members may be called from any thread.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "operator/kube/config.h"

namespace pilotlight {
class Clock;
}

namespace pilotlight::kube {

class Credentials {
 public:
  virtual ~Credentials() = default;
  // The header's value, such as "Bearer …"; empty: no header (a client certificate speaks for us). The error
  // holds no secret.
  virtual std::expected<std::string, std::string> Header() = 0;
  // The API server refused what Header last gave. True if there is a point in asking again.
  virtual bool Refused() = 0;
};

// From what the config names: a token file (read again every minute; on failure the last one stays), an exec
// plugin, a token, a user name and password, or nothing.
std::unique_ptr<Credentials> MakeCredentials(const Config& config, Clock& clock);

}  // namespace pilotlight::kube
