#include "operator/kube/store.h"

#include <gmock/gmock.h>
#include <simdjson.h>

namespace pilotlight::kube {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Thing {
  std::string color;
};

std::string Doc(const std::string& name, const std::string& uid, int version, const std::string& color,
                const std::string& ns = "ns") {
  return R"({"metadata":{"name":")" + name + R"(","namespace":")" + ns + R"(","uid":")" + uid +
         R"(","resourceVersion":")" + std::to_string(version) + R"("},"color":")" + color + "\"}";
}

class StoreTest : public testing::Test {
 protected:
  static std::expected<Thing, std::string> Decode(Json thing) {
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document = parser.iterate(thing.padded());
    std::string_view color;
    if (document["color"].get_string().get(color) != simdjson::SUCCESS) return std::unexpected("no color");
    return Thing{std::string(color)};
  }
  void Stage(const std::string& text, const std::string& scope = "") {
    const JsonBuffer buffer(text);
    EXPECT_TRUE(store_.Stage(scope, buffer.view()));
  }
  void Upsert(const std::string& text) {
    const JsonBuffer buffer(text);
    EXPECT_TRUE(store_.Upsert("", buffer.view()));
  }
  std::vector<std::string> Taken() { return std::exchange(changes_, {}); }

  std::vector<std::string> changes_;
  Store<Thing> store_{{.decode = Decode,
                       .owner = [](const Object<Thing>& object) -> std::optional<Key> {
                         return Key{object.key.ns, object.value.color};
                       },
                       .on_change =
                           [this](const Store<Thing>::Change& change) {
                             const auto& object = change.after ? change.after : change.before;
                             const char* kind = !change.before ? "+" : !change.after ? "-" : "~";
                             changes_.push_back(kind + object->key.name + (change.initial ? "!" : ""));
                           }}};
};

TEST_F(StoreTest, NothingIsVisibleBeforeTheListIsComplete) {
  store_.BeginList("");
  Stage(Doc("a", "1", 5, "red"));
  EXPECT_EQ(store_.size(), 0U);
  store_.Replace("", "9");
  ASSERT_TRUE(store_.Get({"ns", "a"}));
  EXPECT_EQ(store_.Get({"ns", "a"})->value.color, "red");
  EXPECT_THAT(Taken(), ElementsAre("+a!"));
}

TEST_F(StoreTest, ARelistReportsWhatWasMissed) {
  store_.BeginList("");
  Stage(Doc("gone", "1", 5, "red"));
  Stage(Doc("same", "2", 6, "red"));
  Stage(Doc("changed", "3", 7, "red"));
  Stage(Doc("remade", "4", 8, "red"));
  store_.Replace("", "9");
  Taken();
  store_.BeginList("");
  Stage(Doc("same", "2", 6, "red"));
  Stage(Doc("changed", "3", 17, "blue"));
  Stage(Doc("remade", "44", 18, "red"));
  Stage(Doc("new", "5", 19, "red"));
  store_.Replace("", "20");
  EXPECT_THAT(Taken(), UnorderedElementsAre("-gone", "~changed", "-remade", "+remade", "+new"));
  EXPECT_FALSE(store_.Get({"ns", "gone"}));
}

TEST_F(StoreTest, AListThatWasBrokenOffLeavesNoTrace) {
  store_.BeginList("");
  Stage(Doc("half", "1", 5, "red"));
  store_.BeginList("");
  Stage(Doc("a", "2", 6, "red"));
  store_.Replace("", "9");
  EXPECT_FALSE(store_.Get({"ns", "half"}));
}

TEST_F(StoreTest, ReadersKeepWhatTheyGot) {
  Upsert(Doc("a", "1", 5, "red"));
  const auto before = store_.Get({"ns", "a"});
  Upsert(Doc("a", "1", 6, "blue"));
  EXPECT_EQ(before->value.color, "red");
  EXPECT_EQ(store_.Get({"ns", "a"})->value.color, "blue");
}

TEST_F(StoreTest, ADeletionThatWasMissedIsSeenByItsUid) {
  Upsert(Doc("a", "1", 5, "red"));
  Upsert(Doc("a", "2", 6, "red"));
  EXPECT_THAT(Taken(), ElementsAre("+a", "-a", "+a"));
}

TEST_F(StoreTest, TheIndexFollowsChanges) {
  Upsert(Doc("a", "1", 5, "red"));
  Upsert(Doc("b", "2", 6, "red"));
  EXPECT_EQ(store_.OwnedBy({"ns", "red"}).size(), 2U);
  Upsert(Doc("a", "1", 7, "blue"));
  EXPECT_EQ(store_.OwnedBy({"ns", "red"}).size(), 1U);
  EXPECT_EQ(store_.OwnedBy({"ns", "blue"}).size(), 1U);
  const JsonBuffer buffer(Doc("a", "1", 8, "blue"));
  EXPECT_TRUE(store_.Remove("", buffer.view()));
  EXPECT_THAT(store_.OwnedBy({"ns", "blue"}), IsEmpty());
}

TEST_F(StoreTest, AnObjectThatCannotBeReadIsNamedAndLeftOut) {
  const JsonBuffer buffer(R"({"metadata":{"name":"bad","namespace":"ns"}})");
  const auto result = store_.Upsert("", buffer.view());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), "ns/bad: no color");
  EXPECT_EQ(store_.size(), 0U);
}

TEST_F(StoreTest, KnowsHowFarItHasSeen) {
  EXPECT_EQ(store_.SeenUpTo("ns"), "");
  store_.BeginList("");
  store_.Replace("", "9");
  EXPECT_EQ(store_.SeenUpTo("ns"), "9");
  Upsert(Doc("a", "1", 10, "red"));
  EXPECT_EQ(store_.SeenUpTo("ns"), "10");
  store_.Progress("", "15");
  EXPECT_EQ(store_.SeenUpTo("ns"), "15");
}

TEST_F(StoreTest, NamespacesThatAreWatchedAloneDoNotTouchEachOther) {
  store_.BeginList("x");
  Stage(Doc("a", "1", 5, "red", "x"), "x");
  store_.Replace("x", "5");
  store_.BeginList("y");
  store_.Replace("y", "9");
  EXPECT_TRUE(store_.Get({"x", "a"}));
  EXPECT_EQ(store_.SeenUpTo("x"), "5");
  EXPECT_EQ(store_.SeenUpTo("y"), "9");
}

}  // namespace
}  // namespace pilotlight::kube
