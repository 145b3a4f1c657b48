#include "operator/api/validate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "operator/api/parse.h"
#include "operator/api/testing/yaml.h"

namespace pilotlight::api {
namespace {

using nlohmann::json;

class Manifests : public ::testing::TestWithParam<json> {};

TEST_P(Manifests, AreAcceptedOrRefusedWithTheMessageOfTheTable) {
  json manifest = {{"metadata", {{"name", "digits"}, {"namespace", "default"}}},
                   {"spec", {{"model", {{"uri", "https://models.example/digits.tar"}}}}}};
  manifest.merge_patch(GetParam().at("merge"));

  const auto errors = Parse(manifest).errors;

  std::string all;
  for (const FieldError& error : errors) all += error.field + ": " + error.message + "\n";
  if (GetParam().contains("error")) {
    EXPECT_NE(all.find(GetParam()["error"].get<std::string>()), std::string::npos) << all;
  } else {
    EXPECT_EQ(all, "");
  }
}

std::vector<json> Rows() {
  const json rows = testing::LoadYaml(testing::RepositoryFile("crds/testdata/manifests.yaml"));
  return {rows.begin(), rows.end()};
}

INSTANTIATE_TEST_SUITE_P(Table, Manifests, ::testing::ValuesIn(Rows()), [](const auto& row) {
  std::string name = row.param.at("name");
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

}  // namespace
}  // namespace pilotlight::api
