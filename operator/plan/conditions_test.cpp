// docs/status.md is a table of states and conditions; here is a test for each of its rows, in its order.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "operator/plan/testing/cluster.h"

namespace pilotlight::plan::testing {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;

struct Row {
  const char* state;
  const char* ready;
  const char* up_to_date;
  const char* validated;
  const char* reconciling;
  const char* stalled;
  std::function<void(Cluster&)> arrange;
};

void NewRevision(Cluster& cluster, const Behaviour& how) {
  cluster.Apply({{"model", {{"uri", "https://models.example/v2"}}}});
  cluster.behaviours[cluster.Revision()] = how;
}

void Complete(Cluster& cluster) {
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
}

void UntilPhase(Cluster& cluster, api::Phase phase) {
  for (int i = 0; i < 200 && cluster.status().rollout.phase != phase; ++i) {
    cluster.Reconcile();
    cluster.Kubernetes();
    if (i > 20) cluster.Wait(seconds(1));
  }
}

// In the first of its steps, with all of its weight; nobody sends requests.
void Canary(Cluster& cluster, const Behaviour& how = Good('b')) {
  cluster.Apply({{"rollout", {{"strategy", "Canary"}}}});
  Complete(cluster);
  NewRevision(cluster, how);
  cluster.Until(
      [&] { return cluster.status().rollout.canary && cluster.status().rollout.canary->step_since; },
      seconds(1));
}

void UntilReason(Cluster& cluster, api::Phase phase, const std::string& reason) {
  const auto& rollout = cluster.status().rollout;
  cluster.Until([&] { return rollout.phase == phase && rollout.reason == reason; }, seconds(4));
}

Behaviour Loading() {
  return {.ready = false, .phase = "Loading"};
}

const Row kRows[] = {
    {"first start", "False", "False", "Unknown", "True", "False", [](Cluster& c) { c.Reconcile(); }},
    {"first start, the world in the way", "False", "False", "Unknown", "True", "False",
     [](Cluster& c) {
       c.usual = Waiting();
       c.Run(minutes(2));
     }},
    {"first start, past the deadline", "False", "False", "Unknown", "False", "True",
     [](Cluster& c) {
       c.usual = Waiting();
       c.Run(minutes(11));
     }},
    {"first start, proof failed", "False", "False", "False", "False", "True",
     [](Cluster& c) {
       c.usual = Broken();
       c.Run();
     }},
    {"first start, promoting", "False", "False", "True", "True", "False",
     [](Cluster& c) { UntilPhase(c, api::Phase::kPromoting); }},
    {"complete", "True", "True", "True", "False", "False", Complete},
    {"complete, a re-check failed", "True", "True", "False", "False", "False",
     [](Cluster& c) {
       Complete(c);
       c.usual = Drifted();
       c.Reconcile();
       c.Run();
     }},
    {"replacing, proving", "True", "False", "Unknown", "True", "False",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Loading());
       c.Run(seconds(20));
     }},
    {"replacing, proving what was proven before", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       const std::string first = c.Observe().model.spec.model.uri;
       NewRevision(c, Good('b'));
       c.Run();
       c.Apply({{"model", {{"uri", first}}}});
       c.Reconcile();
     }},
    {"replacing, past the deadline", "True", "False", "Unknown", "False", "True",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Waiting());
       c.Run(minutes(11));
     }},
    {"replacing, promoting", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Good('b'));
       UntilPhase(c, api::Phase::kPromoting);
     }},
    {"replacing, retiring", "True", "True", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Good('b'));
       UntilPhase(c, api::Phase::kRetiring);
     }},
    {"replacing, proof failed", "True", "False", "False", "False", "True",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Broken());
       c.Run();
     }},
    {"replacing, no room until the deadline", "True", "False", "True", "False", "True",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Good('b'));
       UntilPhase(c, api::Phase::kPromoting);
       c.schedules = false;
       c.Run(minutes(11));
     }},
    {"replacing, paused before it begins", "True", "False", "Unknown", "True", "False",
     [](Cluster& c) {
       Complete(c);
       c.Apply({{"rollout", {{"paused", true}}}});
       NewRevision(c, Good('b'));
       c.Run();
     }},
    {"replacing, paused in the middle", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Good('b'));
       UntilPhase(c, api::Phase::kPromoting);
       c.Apply({{"rollout", {{"paused", true}}}});
       c.Run();
     }},
    {"replacing, aborted before its proof", "True", "False", "Unknown", "False", "True",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Loading());
       c.Apply({{"rollout", {{"abort", c.Revision()}}}});
       c.Run();
     }},
    {"replacing, aborted in the middle", "True", "False", "True", "False", "True",
     [](Cluster& c) {
       Complete(c);
       NewRevision(c, Good('b'));
       UntilPhase(c, api::Phase::kPromoting);
       c.Apply({{"rollout", {{"abort", c.Revision()}}}});
       c.Run();
     }},
    {"canary", "True", "False", "True", "True", "False", [](Cluster& c) { Canary(c); }},
    {"canary, not certain until the deadline", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Canary(c);
       UntilReason(c, api::Phase::kPaused, "NoLatencyThreshold");
     }},
    {"canary, no room", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Canary(c);
       c.requests_per_second = 50;
       c.schedules = false;
       UntilReason(c, api::Phase::kPaused, "InsufficientCapacity");
     }},
    {"canary, waiting for promote", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Canary(c);
       c.Apply({{"rollout", {{"canary", {{"steps", {{{"weight", 50}, {"pause", "UntilPromoted"}}}}}}}}});
       c.requests_per_second = 50;
       UntilReason(c, api::Phase::kPaused, "UntilPromoted");
     }},
    {"canary, paused", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Canary(c);
       c.Apply({{"rollout", {{"paused", true}}}});
       UntilReason(c, api::Phase::kPaused, "Paused");
     }},
    {"canary, promoting", "True", "False", "True", "True", "False",
     [](Cluster& c) {
       Canary(c);
       c.requests_per_second = 50;
       c.Until([&] { return c.status().rollout.phase == api::Phase::kPromoting; }, seconds(4));
     }},
    {"canary, taken back", "True", "False", "True", "False", "True",
     [](Cluster& c) {
       Behaviour bad = Good('b');
       bad.errors = 0.3;
       Canary(c, bad);
       c.requests_per_second = 50;
       UntilReason(c, api::Phase::kAborted, "MoreErrors");
       c.Run();
     }},
    {"edited back in the middle", "True", "True", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       const std::string first = c.Observe().model.spec.model.uri;
       NewRevision(c, Good('b'));
       UntilPhase(c, api::Phase::kPromoting);
       c.Reconcile();
       c.Apply({{"model", {{"uri", first}}}});
       c.Reconcile();
     }},
    {"first start, paused", "False", "False", "Unknown", "True", "False",
     [](Cluster& c) {
       c.Apply({{"rollout", {{"paused", true}}}});
       c.Run();
     }},
    {"scaling up", "False", "True", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       c.Apply({{"replicas", 4}});
       c.Reconcile();
     }},
    {"degraded", "False", "True", "True", "True", "False",
     [](Cluster& c) {
       Complete(c);
       c.usual = Waiting("EngineCrashed");
       c.Kubernetes();
       c.Run(seconds(20));
     }},
    {"degraded, past the deadline", "False", "True", "True", "False", "True",
     [](Cluster& c) {
       Complete(c);
       c.usual = Waiting("EngineCrashed");
       c.Kubernetes();
       c.Run(minutes(11));
     }},
    {"scaled to zero", "False", "True", "True", "False", "False",
     [](Cluster& c) {
       Complete(c);
       c.Apply({{"replicas", 0}});
       c.Run();
     }},
    {"scaled to zero, never proven", "False", "False", "Unknown", "False", "False",
     [](Cluster& c) {
       c.Apply({{"replicas", 0}});
       c.Run();
     }},
    {"invalid spec, nothing there", "False", "False", "False", "False", "True",
     [](Cluster& c) {
       c.Apply({{"replicas", -1}});
       c.Run();
     }},
    {"invalid spec, serving", "True", "False", "False", "False", "True",
     [](Cluster& c) {
       Complete(c);
       c.Apply({{"replicas", -1}});
       c.Run();
     }},
    {"name taken", "False", "False", "Unknown", "False", "True",
     [](Cluster& c) {
       c.problem = Problem{"NameConflict", "somebody else's", true};
       c.Reconcile(0);
     }},
};

// The document that a user has got in this state, which the tests of docs/gitops.md read. What is checked of
// it is what other tools look at; PILOTLIGHT_UPDATE=1 writes it anew.
json Telling(const json& document) {
  json telling = {{"observedGeneration", document["status"]["observedGeneration"]},
                  {"phase", document["status"]["rollout"]["phase"]}};
  for (const json& condition : document["status"]["conditions"]) {
    telling[condition["type"]] = {condition["status"], condition["reason"]};
  }
  return telling;
}

void CheckDocument(const std::string& state, const Cluster& cluster) {
  const api::ModelDeployment model = cluster.Observe().model;
  const json document = {{"apiVersion", api::kApiVersion},
                         {"kind", api::kKind},
                         {"metadata", {{"name", model.name}, {"generation", model.generation}}},
                         {"status", api::ToJson(cluster.status())}};
  std::string name = state + ".json";
  std::erase(name, ',');
  std::ranges::replace(name, ' ', '-');
  const std::filesystem::path file =
      std::filesystem::path(PILOTLIGHT_SOURCE_DIR) / "operator/plan/testdata/status" / name;
  if (std::getenv("PILOTLIGHT_UPDATE") != nullptr) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << document.dump(1) << '\n';
  }
  std::ifstream in(file);
  const json kept = json::parse(in, nullptr, false);
  ASSERT_TRUE(kept.is_object()) << "no " << file << ": run this test with PILOTLIGHT_UPDATE=1";
  EXPECT_EQ(Telling(document), Telling(kept)) << file << ": if this is so, run with PILOTLIGHT_UPDATE=1";
}

class TruthTable : public ::testing::TestWithParam<Row> {};

TEST_P(TruthTable, Holds) {
  const Row& row = GetParam();
  Cluster cluster;
  row.arrange(cluster);
  const auto status = [&](const char* type) {
    const std::string condition = cluster.Condition(type);
    return condition.substr(0, condition.find('/'));
  };
  EXPECT_EQ(status("Ready"), row.ready);
  EXPECT_EQ(status("UpToDate"), row.up_to_date);
  EXPECT_EQ(status("Validated"), row.validated);
  EXPECT_EQ(status("Reconciling"), row.reconciling);
  EXPECT_EQ(status("Stalled"), row.stalled);
  for (const api::Condition& condition : cluster.status().conditions) {
    EXPECT_EQ(condition.observed_generation, cluster.Observe().model.generation) << condition.type;
    EXPECT_NE(condition.reason, "") << condition.type;
    EXPECT_NE(condition.last_transition, api::Time()) << condition.type;
  }
  CheckDocument(row.state, cluster);
}

INSTANTIATE_TEST_SUITE_P(Rows, TruthTable, ::testing::ValuesIn(kRows), [](const auto& row) {
  std::string name = row.param.state;
  std::erase(name, ',');
  std::ranges::replace_if(name, [](char c) { return c == ' ' || c == '-'; }, '_');
  return name;
});

TEST(Conditions, AreThoseOfTheDocs) {
  std::ifstream in(std::string(PILOTLIGHT_SOURCE_DIR) + "/docs/status.md");
  std::stringstream docs;
  docs << in.rdbuf();
  for (const Row& row : kRows) {
    std::string line = std::string("| ") + row.state;
    for (const char* cell : {row.ready, row.up_to_date, row.validated, row.reconciling, row.stalled}) {
      line += std::string(" | ") + cell;
    }
    EXPECT_NE(docs.str().find(line + " |"), std::string::npos) << line << " |";
  }
}

TEST(Conditions, KeepTheTimeOfTheirLastTransition) {
  Cluster cluster;
  cluster.usual = Waiting();
  cluster.Run(seconds(30));
  const api::Time before = cluster.status().Find("Ready")->last_transition;
  cluster.usual = Waiting("Unauthorized");
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Unauthorized");
  EXPECT_EQ(cluster.status().Find("Reconciling")->last_transition, before) << "its status has not changed";
  EXPECT_EQ(cluster.status().Find("Ready")->last_transition, before);
  cluster.usual = Good();
  cluster.Run();
  EXPECT_GT(cluster.status().Find("Ready")->last_transition, before);
}

TEST(Conditions, NeverSayReconcilingAndStalledAtOnce) {
  Cluster cluster;
  cluster.usual = Waiting();
  for (int i = 0; i < 30; ++i) {
    cluster.Run(minutes(1));
    EXPECT_NE(cluster.Condition("Reconciling").substr(0, 4) + cluster.Condition("Stalled").substr(0, 4),
              "TrueTrue");
  }
}

}  // namespace
}  // namespace pilotlight::plan::testing
