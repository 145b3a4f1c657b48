// The templates behind store.h.
#pragma once

#include "operator/kube/store.h"

namespace pilotlight::kube {

template <typename T>
typename Store<T>::Ptr Store<T>::Get(const Key& key) const {
  const std::scoped_lock lock(mutex_);
  const Scope* scope = ScopeOf(key.ns);
  if (scope == nullptr) return nullptr;
  const auto found = scope->objects.find(key);
  return found == scope->objects.end() ? nullptr : *found;
}

template <typename T>
std::vector<typename Store<T>::Ptr> Store<T>::OwnedBy(const Key& owner) const {
  const std::scoped_lock lock(mutex_);
  const auto found = owned_.find(owner);
  return found == owned_.end() ? std::vector<Ptr>() : found->second;
}

template <typename T>
std::vector<typename Store<T>::Ptr> Store<T>::All() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Ptr> all;
  for (const auto& [name, scope] : scopes_) all.insert(all.end(), scope.objects.begin(), scope.objects.end());
  return all;
}

template <typename T>
std::size_t Store<T>::size() const {
  const std::scoped_lock lock(mutex_);
  std::size_t size = 0;
  for (const auto& [name, scope] : scopes_) size += scope.objects.size();
  return size;
}

template <typename T>
std::optional<StoreView::Version> Store<T>::VersionOf(const Key& key) const {
  const Ptr object = Get(key);
  if (!object) return std::nullopt;
  return Version{object->uid, object->resource_version, object->deleting};
}

template <typename T>
std::string Store<T>::SeenUpTo(const std::string& ns) const {
  const std::scoped_lock lock(mutex_);
  const Scope* scope = ScopeOf(ns);
  return scope == nullptr ? std::string() : scope->seen_up_to;
}

template <typename T>
void Store<T>::BeginList(const std::string& scope) {
  const std::scoped_lock lock(mutex_);
  staged_[scope] = Set();
}

template <typename T>
std::expected<void, std::string> Store<T>::Stage(const std::string& scope, Json json) {
  auto object = Decode(json);
  if (!object) return std::unexpected(std::move(object).error());
  const std::scoped_lock lock(mutex_);
  staged_[scope].insert(std::move(*object));
  return {};
}

template <typename T>
void Store<T>::Replace(const std::string& name, std::string_view resource_version) {
  struct Pair {
    Ptr before;
    Ptr after;
  };
  std::vector<Pair> changes;
  bool initial = false;
  Set old;  // freed without the lock
  {
    const std::scoped_lock lock(mutex_);
    Set fresh = std::move(staged_[name]);
    staged_.erase(name);
    Scope& scope = scopes_[name];
    initial = !scope.listed;
    for (const Ptr& before : scope.objects) {
      const auto after = fresh.find(before->key);
      if (after == fresh.end()) changes.push_back({before, nullptr});
    }
    for (const Ptr& after : fresh) {
      const auto before = scope.objects.find(after->key);
      if (before == scope.objects.end()) {
        changes.push_back({nullptr, after});
      } else if ((*before)->uid != after->uid) {  // deleted and made again while we were not looking
        changes.push_back({*before, nullptr});
        changes.push_back({nullptr, after});
      } else if ((*before)->resource_version != after->resource_version) {
        changes.push_back({*before, after});
      }
    }
    for (const Ptr& object : scope.objects) Unindex(object);
    for (const Ptr& object : fresh) Index(object);
    old = std::move(scope.objects);
    scope.objects = std::move(fresh);
    scope.seen_up_to = resource_version;
    scope.listed = true;
  }
  for (Pair& change : changes) Notify(std::move(change.before), std::move(change.after), initial);
}

template <typename T>
std::expected<void, std::string> Store<T>::Upsert(const std::string& name, Json json) {
  auto decoded = Decode(json);
  if (!decoded) return std::unexpected(std::move(decoded).error());
  Ptr after = std::move(*decoded);
  Ptr before;
  {
    const std::scoped_lock lock(mutex_);
    Scope& scope = scopes_[name];
    if (const auto found = scope.objects.find(after->key); found != scope.objects.end()) {
      before = *found;
      Unindex(before);
      scope.objects.erase(found);
    }
    scope.objects.insert(after);
    Index(after);
    scope.seen_up_to = after->resource_version;
  }
  if (before && before->uid != after->uid) {
    Notify(std::move(before), nullptr, false);
    before = nullptr;
  }
  Notify(std::move(before), std::move(after), false);
  return {};
}

template <typename T>
std::expected<void, std::string> Store<T>::Remove(const std::string& name, Json json) {
  const auto identity = ReadIdentity(json);
  if (!identity) return std::unexpected(identity.error());
  Ptr before;
  {
    const std::scoped_lock lock(mutex_);
    Scope& scope = scopes_[name];
    scope.seen_up_to = identity->resource_version;
    const auto found = scope.objects.find(identity->key);
    if (found == scope.objects.end()) return {};
    before = *found;
    Unindex(before);
    scope.objects.erase(found);
  }
  Notify(std::move(before), nullptr, false);
  return {};
}

template <typename T>
void Store<T>::Progress(const std::string& name, std::string_view resource_version) {
  const std::scoped_lock lock(mutex_);
  scopes_[name].seen_up_to = resource_version;
}

template <typename T>
std::expected<typename Store<T>::Ptr, std::string> Store<T>::Decode(Json json) const {
  auto identity = ReadIdentity(json);
  if (!identity) return std::unexpected(std::move(identity).error());
  if (identity->key.name.empty()) return std::unexpected("an object without a name");
  auto value = options_.decode(json);
  if (!value) return std::unexpected(identity->key.ToString() + ": " + value.error());
  return std::make_shared<const Object<T>>(Object<T>{std::move(identity->key), std::move(identity->uid),
                                                     std::move(identity->resource_version),
                                                     identity->deleting, std::move(*value)});
}

template <typename T>
const typename Store<T>::Scope* Store<T>::ScopeOf(const std::string& ns) const {
  auto found = scopes_.find(ns);
  if (found == scopes_.end()) found = scopes_.find("");
  return found == scopes_.end() ? nullptr : &found->second;
}

template <typename T>
void Store<T>::Index(const Ptr& object) {
  if (!options_.owner) return;
  if (const auto owner = options_.owner(*object)) owned_[*owner].push_back(object);
}

template <typename T>
void Store<T>::Unindex(const Ptr& object) {
  if (!options_.owner) return;
  const auto owner = options_.owner(*object);
  if (!owner) return;
  const auto found = owned_.find(*owner);
  if (found == owned_.end()) return;
  std::erase(found->second, object);
  if (found->second.empty()) owned_.erase(found);
}

template <typename T>
void Store<T>::Notify(Ptr before, Ptr after, bool initial) const {
  if (options_.on_change) options_.on_change({std::move(before), std::move(after), initial});
}

}  // namespace pilotlight::kube
