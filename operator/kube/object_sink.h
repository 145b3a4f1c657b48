// What a reflector feeds. Implemented by Store; a scope is the namespace that was listed ("" for all).
//
// Thread-safety: of one scope, calls come one at a time; of different scopes, at the same time.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "operator/kube/json.h"

namespace pilotlight::kube {

class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  // A list begins: items staged before for this scope are dropped.
  virtual void BeginList(const std::string& scope) = 0;
  virtual std::expected<void, std::string> Stage(const std::string& scope, Json object) = 0;
  // The staged items are now all that there is. What was there before and is not among them is deleted.
  virtual void Replace(const std::string& scope, std::string_view resource_version) = 0;
  virtual std::expected<void, std::string> Upsert(const std::string& scope, Json object) = 0;
  virtual std::expected<void, std::string> Remove(const std::string& scope, Json object) = 0;
  // Everything up to this version has been seen.
  virtual void Progress(const std::string& scope, std::string_view resource_version) = 0;
};

}  // namespace pilotlight::kube
