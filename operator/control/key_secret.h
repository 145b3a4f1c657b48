#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "operator/control/operator_key.h"
#include "operator/kube/key.h"

namespace pilotlight {
class Clock;
}
namespace pilotlight::kube {
class Client;
}

namespace pilotlight::control {

// The name of the Secret, in the operator's own namespace. Its entry `operator.pem` signs; all of its entries
// that end in ".pem" are keys that sidecars shall know, so that a key can be replaced by another without a
// moment in which calls are refused (docs/install.md).
inline constexpr char kKeySecret[] = "pilotlight-operator-key";
inline constexpr char kSigningKey[] = "operator.pem";

struct OperatorKeys {
  std::shared_ptr<const OperatorKey> signing;    // null: there is none to sign with
  std::map<std::string, std::string> published;  // public halves in PEM, by entry; empty if `signing` is null
};

// Reads the Secret, and makes it, with a new key, if there is none: of several operators that start at once
// one makes it, and all have the same key. A Secret that is there is never written, whatever it holds.
//
// Calls that fail are repeated for half a minute. Where there is no key after all, the log says why and what
// to do, and the operator is to go on without: to steer a split is the one thing that it cannot do then,
// while an operator that ends leaves every model alone. Thread-safety: no state.
OperatorKeys ObtainKeys(kube::Client& client, const kube::Key& secret, Clock& clock,
                        const std::stop_token& stop);

}  // namespace pilotlight::control
