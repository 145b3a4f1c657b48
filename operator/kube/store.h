// The cluster as we last saw it: one resource, only the fields that are used.
//
// Thread-safety: readers may be many, at any time; they hold the lock only to copy pointers. What they get is
// immutable and stays valid.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "operator/kube/json.h"
#include "operator/kube/key.h"
#include "operator/kube/object_sink.h"

namespace pilotlight::kube {

template <typename T>
struct Object {
  Key key;
  std::string uid;
  std::string resource_version;
  bool deleting = false;
  T value;
};

// What a WriteGate asks a store.
class StoreView {
 public:
  struct Version {
    std::string uid;
    std::string resource_version;
    bool deleting = false;
  };
  virtual ~StoreView() = default;
  virtual std::optional<Version> VersionOf(const Key& key) const = 0;
  // How far the watch that covers this namespace has come.
  virtual std::string SeenUpTo(const std::string& ns) const = 0;
};

// Reads one object into a small struct; an error leaves the object out (and is logged), it ends nothing.
template <typename T>
using Decoder = std::function<std::expected<T, std::string>(Json object)>;

template <typename T>
class Store final : public ObjectSink, public StoreView {
 public:
  using Ptr = std::shared_ptr<const Object<T>>;

  // One is null when it was added or deleted. `initial`: part of the first list.
  struct Change {
    Ptr before;
    Ptr after;
    bool initial = false;
  };

  struct Options {
    Decoder<T> decode;
    // Whom an object belongs to, for OwnedBy. Default: nobody. Must give the same answer every time.
    std::function<std::optional<Key>(const Object<T>&)> owner;
    // Called after the store has changed, in the order of the changes, from the reflector's thread. Must be
    // quick and must not throw.
    std::function<void(const Change&)> on_change;
  };
  explicit Store(Options options) : options_(std::move(options)) {}

  // Null if there is none.
  Ptr Get(const Key& key) const;
  std::vector<Ptr> OwnedBy(const Key& owner) const;
  std::vector<Ptr> All() const;
  std::size_t size() const;

  std::optional<Version> VersionOf(const Key& key) const override;
  std::string SeenUpTo(const std::string& ns) const override;

  void BeginList(const std::string& scope) override;
  std::expected<void, std::string> Stage(const std::string& scope, Json object) override;
  void Replace(const std::string& scope, std::string_view resource_version) override;
  std::expected<void, std::string> Upsert(const std::string& scope, Json object) override;
  std::expected<void, std::string> Remove(const std::string& scope, Json object) override;
  void Progress(const std::string& scope, std::string_view resource_version) override;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return KeyHash()(key); }
    std::size_t operator()(const Ptr& object) const { return KeyHash()(object->key); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Ptr& a, const Ptr& b) const { return a->key == b->key; }
    bool operator()(const Key& a, const Ptr& b) const { return a == b->key; }
    bool operator()(const Ptr& a, const Key& b) const { return a->key == b; }
  };
  using Set = std::unordered_set<Ptr, Hash, Same>;
  struct Scope {
    Set objects;
    std::string seen_up_to;
    bool listed = false;
  };

  std::expected<Ptr, std::string> Decode(Json object) const;
  const Scope* ScopeOf(const std::string& ns) const;  // lock held
  void Index(const Ptr& object);                      // lock held
  void Unindex(const Ptr& object);                    // lock held
  void Notify(Ptr before, Ptr after, bool initial) const;

  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Scope> scopes_;
  std::unordered_map<Key, std::vector<Ptr>, KeyHash> owned_;
  std::map<std::string, Set> staged_;  // by scope
};

}  // namespace pilotlight::kube

#include "operator/kube/store_impl.h"
