#pragma once

#include <string>
#include <string_view>

#include "common/http/message.h"

namespace pilotlight::front {

// What a request to the data port is for.
enum class Route {
  kUnknown,
  kIndex,
  kOpenApi,
  kServer,
  kServerLive,
  kServerReady,
  kModel,
  kModelReady,
  kInfer,
  kPredict,
  kOtherModel,  // a model or version that is not served here
};

// For metrics and logs: "infer".
std::string_view route_name(Route route);

// The methods that a route has, as the Allow header lists them.
std::string_view allowed_methods(Route route);
bool allows(Route route, std::string_view method);

// Finds the route of a path, which is untrusted: decoded once, and every segment must be a plain name.
Route route_of(std::string_view path, std::string_view model, std::string_view version);

}  // namespace pilotlight::front
