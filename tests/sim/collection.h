#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "operator/api/children.h"
#include "operator/api/model_deployment.h"

// What the API server keeps of one kind: every object as it is now, and every change that led there, which is
// what watches read.
//
// Thread-safety: one thread.
namespace pilotlight::sim {

template <typename T>
const std::string& NameOf(const T& object) {
  return object.meta.name;
}
inline const std::string& NameOf(const api::ModelDeployment& model) {
  return model.name;
}

template <typename T>
struct Change {
  std::int64_t version;
  std::string name;
  std::shared_ptr<const T> after;  // null: deleted
};

template <typename T>
class Collection {
 public:
  using Objects = std::map<std::string, std::shared_ptr<const T>>;

  const T* Find(const std::string& name) const {
    const auto found = now_.find(name);
    return found == now_.end() ? nullptr : found->second.get();
  }
  const Objects& all() const { return now_; }
  const std::vector<Change<T>>& log() const { return log_; }

  void Put(std::int64_t version, T object) {
    auto made = std::make_shared<const T>(std::move(object));
    log_.push_back({version, NameOf(*made), made});
    now_.insert_or_assign(NameOf(*made), std::move(made));
  }
  bool Remove(std::int64_t version, const std::string& name) {
    if (now_.erase(name) == 0) return false;
    log_.push_back({version, name, nullptr});
    return true;
  }

 private:
  Objects now_;
  std::vector<Change<T>> log_;
};

}  // namespace pilotlight::sim
