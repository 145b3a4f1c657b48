#include "sidecar/front/routes.h"

#include <span>

namespace pilotlight::front {
namespace {

Route model_route(std::span<const std::string> rest, std::string_view model, std::string_view version) {
  if (rest.empty()) return Route::kUnknown;
  bool known = rest[0] == model;
  rest = rest.subspan(1);
  if (rest.size() >= 2 && rest[0] == "versions") {
    known = known && rest[1] == version;
    rest = rest.subspan(2);
  }
  Route route = Route::kUnknown;
  if (rest.empty()) route = Route::kModel;
  if (rest.size() == 1 && rest[0] == "ready") route = Route::kModelReady;
  if (rest.size() == 1 && rest[0] == "infer") route = Route::kInfer;
  return route == Route::kUnknown || known ? route : Route::kOtherModel;
}

}  // namespace

std::string_view route_name(Route route) {
  switch (route) {
    case Route::kUnknown:
      return "unknown";
    case Route::kIndex:
      return "index";
    case Route::kOpenApi:
      return "openapi";
    case Route::kServer:
      return "server";
    case Route::kServerLive:
      return "live";
    case Route::kServerReady:
      return "ready";
    case Route::kModel:
      return "model";
    case Route::kModelReady:
      return "model_ready";
    case Route::kInfer:
      return "infer";
    case Route::kPredict:
      return "predict";
    case Route::kOtherModel:
      return "other_model";
  }
  return "unknown";
}

std::string_view allowed_methods(Route route) {
  return route == Route::kInfer || route == Route::kPredict ? "POST" : "GET, HEAD";
}

bool allows(Route route, std::string_view method) {
  if (route == Route::kInfer || route == Route::kPredict) return method == "POST";
  return method == "GET" || method == "HEAD";
}

Route route_of(std::string_view path, std::string_view model, std::string_view version) {
  const auto segments = http::path_segments(path);
  if (!segments.valid) return Route::kUnknown;
  const auto& names = segments.names;
  if (names.empty()) return Route::kIndex;
  if (names.size() == 1) {
    if (names[0] == "predict") return Route::kPredict;
    if (names[0] == "openapi.json") return Route::kOpenApi;
    return names[0] == "v2" ? Route::kServer : Route::kUnknown;
  }
  if (names[0] != "v2") return Route::kUnknown;
  if (names[1] == "health" && names.size() == 3) {
    if (names[2] == "live") return Route::kServerLive;
    if (names[2] == "ready") return Route::kServerReady;
  }
  if (names[1] == "models") return model_route(std::span(names).subspan(2), model, version);
  return Route::kUnknown;
}

}  // namespace pilotlight::front
