#include "operator/kube/json.h"

#include <gtest/gtest.h>

#include <vector>

namespace pilotlight::kube {
namespace {

TEST(ReadIdentity, FindsWhatTheRuntimeNeedsAmongEverythingElse) {
  const JsonBuffer buffer(
      R"({"kind":"Pod","spec":{"metadata":1},"metadata":{"managedFields":[{"a":{}}],"uid":"u",
    "name":"n","namespace":"ns","resourceVersion":"7","deletionTimestamp":"2026-01-01T00:00:00Z"}})");
  const auto identity = ReadIdentity(buffer.view());
  ASSERT_TRUE(identity) << identity.error();
  EXPECT_EQ(identity->key, (Key{"ns", "n"}));
  EXPECT_EQ(identity->uid, "u");
  EXPECT_EQ(identity->resource_version, "7");
  EXPECT_TRUE(identity->deleting);
}

TEST(ReadIdentity, RefusesWhatIsNoObject) {
  for (const char* text :
       {"", "7", "[]", "{}", "{\"metadata\":", "{\"metadata\":3}", "{\"metadata\":{\"name\":"}) {
    const JsonBuffer buffer{std::string(text)};
    EXPECT_FALSE(ReadIdentity(buffer.view())) << text;
  }
}

TEST(AtLeast, ComparesVersionsAsNumbers) {
  EXPECT_TRUE(AtLeast("10", "9"));
  EXPECT_TRUE(AtLeast("9", "9"));
  EXPECT_FALSE(AtLeast("9", "10"));
}

TEST(AtLeast, FailsOpenForVersionsThatAreNoNumbers) {
  EXPECT_TRUE(AtLeast("a", "10"));
  EXPECT_TRUE(AtLeast("9", "b"));
}

TEST(ReadWatchEvent, ReadsTypeAndObjectInAnyOrder) {
  const JsonBuffer buffer(R"({"object":{"metadata":{"name":"n"}},"type":"MODIFIED"})");
  const auto event = ReadWatchEvent(buffer.view());
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->type, EventType::Modified);
  const auto identity = ReadIdentity(event->object);
  ASSERT_TRUE(identity) << identity.error();
  EXPECT_EQ(identity->key.name, "n");
}

TEST(ReadWatchEvent, TakesABareStatusForAnError) {
  const JsonBuffer buffer(R"({"kind":"Status","code":410})");
  const auto event = ReadWatchEvent(buffer.view());
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->type, EventType::Error);
  EXPECT_EQ(event->object.text, R"({"kind":"Status","code":410})");
}

TEST(ReadWatchEvent, RefusesWhatIsCut) {
  const std::string whole = R"({"type":"ADDED","object":{"metadata":{"name":"n","uid":"u"}}})";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const JsonBuffer buffer(whole.substr(0, length));
    EXPECT_FALSE(ReadWatchEvent(buffer.view())) << whole.substr(0, length);
  }
}

TEST(ReadList, HandsOutEveryItemAndSaysWhereToGoOn) {
  const JsonBuffer buffer(R"({"kind":"PodList","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}],
    "metadata":{"resourceVersion":"12","continue":"next"}})");
  std::vector<std::string> names;
  const auto meta =
      ReadList(buffer.view(), [&](Json item) { names.push_back(ReadIdentity(item)->key.name); });
  ASSERT_TRUE(meta) << meta.error();
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(meta->resource_version, "12");
  EXPECT_EQ(meta->continue_token, "next");
}

TEST(ReadList, AnEmptySliceOfGoIsAnEmptyList) {
  const JsonBuffer buffer(R"({"metadata":{"resourceVersion":"1"},"items":null})");
  EXPECT_TRUE(ReadList(buffer.view(), [](Json) { FAIL(); }));
}

TEST(ReadList, ItemsThatAreNeitherAListNorNullAreRefused) {
  for (const char* items : {"null@", "nul", "{}", "7", "\"a\"", "true"}) {
    const JsonBuffer buffer(std::string(R"({"metadata":{"resourceVersion":"7"},"items":)") + items + "}");
    EXPECT_FALSE(ReadList(buffer.view(), [](Json) {})) << items;
  }
}

TEST(ReadList, ACutListIsNoList) {
  const std::string whole = R"({"metadata":{"resourceVersion":"12"},"items":[{"metadata":{"name":"a"}}]})";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const JsonBuffer buffer(whole.substr(0, length));
    EXPECT_FALSE(ReadList(buffer.view(), [](Json) {})) << whole.substr(0, length);
  }
}

}  // namespace
}  // namespace pilotlight::kube
