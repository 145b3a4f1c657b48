// Puts credentials on requests, and fresh ones when the API server refuses them (401): once, then gives up.
//
// Thread-safety: as Transport.
#pragma once

#include <memory>

#include "operator/kube/transport.h"

namespace pilotlight::kube {

class Credentials;

std::unique_ptr<Transport> WithCredentials(std::unique_ptr<Transport> transport,
                                           std::unique_ptr<Credentials> credentials);

}  // namespace pilotlight::kube
