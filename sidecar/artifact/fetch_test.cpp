// Fetching, from files, folders and real servers on the loopback.

#include "sidecar/artifact/fetch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <format>
#include <fstream>
#include <functional>
#include <thread>

#include "common/http/server.h"
#include "sidecar/artifact/sha256.h"
#include "sidecar/artifact/tls_server_for_test.h"

namespace pilotlight::artifact {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using wire::FailureClass;

std::string sha256(std::string_view text) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(text)));
  return sha.hex();
}

std::string content(const wire::UniqueFd& file) {
  std::string text(1 << 22, '\0');
  const auto got = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    auto name = (std::filesystem::temp_directory_path() / "fetch-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    options_.staging = folder_ / "staging";
    options_.volume = folder_ / "volume";
    options_.credentials = folder_ / "credentials";
    std::filesystem::create_directories(options_.volume);
    std::filesystem::create_directories(options_.credentials);
  }
  ~FetchTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::filesystem::path& name, std::string_view text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  std::expected<Fetched, wire::Failure> get(const std::string& uri) {
    options_.uri = uri;
    return fetch(options_, progress_);
  }

  wire::Failure failure(const std::string& uri) {
    auto fetched = get(uri);
    EXPECT_FALSE(fetched) << uri;
    return fetched ? wire::Failure{} : fetched.error();
  }

  // A server; its handler may be changed while it runs.
  std::string serve(std::function<http::Response(const http::Request&)> handler) {
    servers_.push_back(std::make_unique<http::Server>("127.0.0.1:0", std::move(handler)));
    EXPECT_TRUE(servers_.back()->start());
    return std::format("http://127.0.0.1:{}", servers_.back()->port());
  }

  std::filesystem::path folder_;
  FetchOptions options_;
  Progress progress_;
  std::vector<std::unique_ptr<http::Server>> servers_;
};

http::Response file_of(std::string body, std::vector<std::pair<std::string, std::string>> fields = {}) {
  return {.body = std::move(body), .content_type = "application/octet-stream", .fields = std::move(fields)};
}

// Files.

TEST_F(FetchTest, CopiesAndMeasuresAFile) {
  write("m.tar", "hello");
  const auto fetched = get((folder_ / "m.tar").string());
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(fetched->digest, "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(fetched->bytes, 5);
  EXPECT_EQ(content(fetched->file), "hello");
  EXPECT_FALSE(fetched->kept);
  EXPECT_EQ(progress_.bytes, 5);
}

TEST_F(FetchTest, KeepsWhatItHasButOnlyIfItsBytesAreStillTheSame) {
  write("m.tar", "hello");
  const auto uri = "file://" + (folder_ / "m.tar").string();
  ASSERT_TRUE(get(uri));
  std::filesystem::remove(folder_ / "m.tar");
  const auto again = get(uri);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->kept);
  EXPECT_EQ(again->digest, "sha256:" + sha256("hello"));

  std::filesystem::permissions(options_.staging / "model", std::filesystem::perms::owner_all);
  std::ofstream(options_.staging / "model") << "jello";
  EXPECT_EQ(failure(uri).reason, "NotFound") << "damaged, so fetched again";
}

TEST_F(FetchTest, AnotherUriIsFetchedAnew) {
  write("a", "one");
  write("b", "two");
  ASSERT_TRUE(get((folder_ / "a").string()));
  EXPECT_EQ(get((folder_ / "b").string())->digest, "sha256:" + sha256("two"));
}

TEST_F(FetchTest, AFileThatIsMissingIsOfTheWorldAndOneThatIsTooLargeOfTheRevision) {
  EXPECT_EQ(failure((folder_ / "none").string()).reason, "NotFound");
  EXPECT_EQ(failure((folder_ / "none").string()).failure_class, FailureClass::kWorld);
  write("m.tar", "hello");
  options_.max_bytes = 4;
  EXPECT_EQ(failure((folder_ / "m.tar").string()).reason, "ModelTooLarge");
  EXPECT_EQ(failure("ftp://x").reason, "InvalidURI");
  EXPECT_EQ(failure("/dev/null").reason, "InvalidURI");
}

// Volumes.

TEST_F(FetchTest, ReadsInsideAVolume) {
  write("volume/a/m.tar", "hello");
  std::filesystem::create_symlink("a/m.tar", options_.volume / "latest");
  EXPECT_TRUE(get("pvc://claim/a/m.tar"));
  EXPECT_TRUE(get("pvc://claim/latest")) << "a link that stays inside";
}

TEST_F(FetchTest, NoLinkLeadsOutOfAVolume) {
  write("secret", "hello");
  std::filesystem::create_symlink(folder_ / "secret", options_.volume / "absolute");
  std::filesystem::create_symlink("../secret", options_.volume / "relative");
  std::filesystem::create_symlink("..", options_.volume / "up");
  for (const auto* path : {"absolute", "relative", "up/secret"}) {
    const auto failed = failure(std::format("pvc://claim/{}", path));
    EXPECT_EQ(failed.reason, "InvalidURI") << path;
    EXPECT_EQ(failed.failure_class, FailureClass::kRevision);
  }
}

// Folders.

TEST_F(FetchTest, PacksAFolderIntoATarWithTheFoldersDigest) {
  write("bundle/model.yaml", "name: x\n");
  write("bundle/golden/c/inputs.safetensors", "abc");
  write("bundle/model.pt", "PK");
  const auto fetched = get((folder_ / "bundle").string());
  ASSERT_TRUE(fetched) << fetched.error().message;
  // find . -type f | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum | sha256sum
  EXPECT_EQ(fetched->digest,
            "sha256:" + sha256(sha256("abc") + "  golden/c/inputs.safetensors\n" + sha256("PK") +
                               "  model.pt\n" + sha256("name: x\n") + "  model.yaml\n"));
  const auto tar = content(fetched->file);
  EXPECT_EQ(tar.substr(257, 5), "ustar");
  EXPECT_THAT(tar, HasSubstr("golden/c/inputs.safetensors"));
  EXPECT_EQ(get((folder_ / "bundle").string())->kept, true);
}

TEST_F(FetchTest, RefusesLinksInAFolder) {
  write("bundle/model.yaml", "x");
  std::filesystem::create_symlink("/etc/passwd", folder_ / "bundle/model.pt");
  const auto failed = failure((folder_ / "bundle").string());
  EXPECT_EQ(failed.reason, "InvalidBundle");
  EXPECT_THAT(failed.message, HasSubstr("model.pt"));
}

TEST_F(FetchTest, AnEmptyFolderIsAFileThatIsYetToCome) {
  std::filesystem::create_directories(folder_ / "bundle");
  EXPECT_EQ(failure((folder_ / "bundle").string()).reason, "NotFound");
}

// HTTP.

TEST_F(FetchTest, DownloadsAFile) {
  const auto url = serve([](const http::Request&) { return file_of("hello"); });
  const auto fetched = get(url + "/m.tar?sig=secret");
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(fetched->digest, "sha256:" + sha256("hello"));
  EXPECT_EQ(progress_.total, 5);
}

TEST_F(FetchTest, EachRefusalOfAServerHasItsReason) {
  std::atomic<unsigned> status = 404;
  const auto url = serve([&](const http::Request&) { return http::error(status, "no"); });
  const auto reason = [&](unsigned code) {
    status = code;
    const auto failed = failure(url + "/m.tar?sig=secret");
    EXPECT_EQ(failed.failure_class, FailureClass::kWorld);
    EXPECT_THAT(failed.message, HasSubstr(std::to_string(code)));
    EXPECT_THAT(failed.message, Not(HasSubstr("secret")));
    return failed.reason;
  };
  EXPECT_EQ(reason(404), "NotFound");
  EXPECT_EQ(reason(410), "NotFound");
  EXPECT_EQ(reason(401), "Unauthorized");
  EXPECT_EQ(reason(403), "Unauthorized");
  EXPECT_EQ(reason(500), "FetchFailed");
  EXPECT_EQ(reason(503), "FetchFailed");
}

TEST_F(FetchTest, AnErrorPageIsNeverTakenForTheModel) {
  const auto url =
      serve([](const http::Request&) { return http::Response{.status = 404, .body = "<html>"}; });
  EXPECT_FALSE(get(url + "/m.tar"));
  EXPECT_FALSE(std::filesystem::exists(options_.staging / "model"));
}

TEST_F(FetchTest, AFileThatIsTooLargeIsRefusedFromItsLength) {
  const auto url = serve([](const http::Request&) { return file_of(std::string(100'000, 'x')); });
  options_.max_bytes = 99'999;
  const auto failed = failure(url + "/m.tar");
  EXPECT_EQ(failed.reason, "ModelTooLarge");
  EXPECT_EQ(progress_.bytes, 0);
}

TEST_F(FetchTest, AnEmptyFileIsNoModel) {
  const auto url = serve([](const http::Request&) { return file_of(""); });
  EXPECT_EQ(failure(url + "/m.tar").reason, "FetchFailed");
}

TEST_F(FetchTest, GoesOnWhereItStoppedIfTheServerStillHasTheSameFile) {
  std::string range;
  const auto url = serve([&](const http::Request& request) {
    range = std::string(request.field("range")) + " " + std::string(request.field("if-range"));
    if (request.field("range") == "bytes=3-") {
      return http::Response{.status = 206,
                            .body = "def",
                            .content_type = "a/b",
                            .fields = {{"etag", "\"v1\""}, {"content-range", "bytes 3-5/6"}}};
    }
    return file_of("abcdef", {{"etag", "\"v1\""}});
  });
  const auto uri = url + "/m.tar";
  write("staging/model.part", "abc");
  write("staging/part.json", std::format(R"({{"uri":"{}","etag":"\"v1\""}})", uri));
  const auto fetched = get(uri);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(range, "bytes=3- \"v1\"");
  EXPECT_EQ(fetched->digest, "sha256:" + sha256("abcdef"));
  EXPECT_EQ(progress_.total, 6);
}

TEST_F(FetchTest, BeginsAnewWhenTheServerHasAnotherFile) {
  const auto url = serve([&](const http::Request&) { return file_of("xyz", {{"etag", "\"v2\""}}); });
  const auto uri = url + "/m.tar";
  write("staging/model.part", "abc");
  write("staging/part.json", std::format(R"({{"uri":"{}","etag":"\"v1\""}})", uri));
  const auto fetched = get(uri);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(fetched->digest, "sha256:" + sha256("xyz"));
}

TEST_F(FetchTest, BeginsAnewAfterARangeThatCannotBe) {
  const auto url = serve([&](const http::Request& request) {
    return request.field("range").empty() ? file_of("xyz", {{"etag", "\"v2\""}}) : http::error(416, "no");
  });
  const auto uri = url + "/m.tar";
  write("staging/model.part", "abcdef");
  write("staging/part.json", std::format(R"({{"uri":"{}","etag":"\"v1\""}})", uri));
  EXPECT_FALSE(get(uri));
  EXPECT_TRUE(get(uri));
}

TEST_F(FetchTest, WhatAnotherUriHasLeftIsNotGoneOnWith) {
  std::string range = "none";
  const auto url = serve([&](const http::Request& request) {
    range = request.field("range");
    return file_of("xyz", {{"etag", "\"v1\""}});
  });
  write("staging/model.part", "abc");
  write("staging/part.json", R"({"uri":"http://elsewhere/m","etag":"\"v1\""})");
  EXPECT_TRUE(get(url + "/m.tar"));
  EXPECT_EQ(range, "");
}

TEST_F(FetchTest, SendsTheSecretsTokenOrPassword) {
  std::string seen;
  const auto url = serve([&](const http::Request& request) {
    seen = request.field("authorization");
    return file_of("x" + seen);
  });
  write("credentials/username", "me");
  write("credentials/password", "pw\n");
  ASSERT_TRUE(get(url + "/1"));
  EXPECT_EQ(seen, "Basic bWU6cHc=");
  write("credentials/token", "t0ken\n");
  ASSERT_TRUE(get(url + "/2"));
  EXPECT_EQ(seen, "Bearer t0ken");
}

TEST_F(FetchTest, NeverShowsASecretToAnotherHost) {
  std::string seen = "nothing";
  const auto other = serve([&](const http::Request& request) {
    seen = request.field("authorization");
    return file_of("hello");
  });
  const auto url = serve([&](const http::Request&) {
    return http::Response{.status = 302, .fields = {{"location", other + "/m.tar"}}};
  });
  write("credentials/token", "t0ken");
  ASSERT_TRUE(get(url + "/m.tar"));
  EXPECT_EQ(seen, "");
  write("credentials/token", "");
  ASSERT_TRUE(get("http://me:pw@" + url.substr(7) + "/n.tar"));
  EXPECT_EQ(seen, "");
}

TEST_F(FetchTest, FollowsFewRedirectsAndNoneToOtherSchemes) {
  std::atomic<int> asked = 0;
  const auto url = serve([&](const http::Request&) {
    ++asked;
    return http::Response{.status = 302, .fields = {{"location", "/again"}}};
  });
  EXPECT_EQ(failure(url + "/m.tar").reason, "FetchFailed");
  EXPECT_EQ(asked, 6);
  write("secret", "hello");
  const auto away = serve([&](const http::Request&) {
    return http::Response{.status = 302, .fields = {{"location", "file://" + (folder_ / "secret").string()}}};
  });
  EXPECT_EQ(failure(away + "/m.tar").reason, "FetchFailed");
}

TEST_F(FetchTest, NeverFetchesFromALinkLocalAddress) {
  for (const auto* uri :
       {"http://169.254.169.254/latest/meta-data", "http://[fe80::1%25lo]/m", "http://2852039166/m",
        "http://[::ffff:169.254.169.254]/m", "http://[fd00:ec2::254]/m"}) {
    const auto failed = failure(uri);
    EXPECT_EQ(failed.reason, "InvalidURI") << uri << ": " << failed.message;
    EXPECT_EQ(failed.failure_class, FailureClass::kRevision);
  }
  const auto url = serve([&](const http::Request&) {
    return http::Response{.status = 302, .fields = {{"location", "http://169.254.169.254/latest"}}};
  });
  EXPECT_EQ(failure(url + "/m.tar").reason, "InvalidURI") << "nor by a redirect";
}

TEST_F(FetchTest, AServerThatIsNotThereIsTriedAgain) {
  const auto url = serve([](const http::Request&) { return file_of(""); });
  servers_.clear();
  const auto failed = failure(url + "/m.tar");
  EXPECT_EQ(failed.reason, "FetchFailed");
  EXPECT_EQ(failed.failure_class, FailureClass::kWorld);
  EXPECT_THAT(failed.message, Not(ContainsRegex("[0-9] ms|milliseconds")))
      << "each try would have another reason";
}

TEST_F(FetchTest, ACancelledFetchEnds) {
  write("m.tar", "hello");
  progress_.cancelled = true;
  EXPECT_FALSE(get((folder_ / "m.tar").string()));
}

// Signatures.

TEST_F(FetchTest, BringsNoSignatureThatNobodyAskedFor) {
  write("m.tar", "hello");
  write("m.tar.sig", "signed");
  EXPECT_FALSE(get((folder_ / "m.tar").string())->signature);
}

TEST_F(FetchTest, BringsTheSignatureWithTheModelsCredentialsAndCountsTheModelsBytes) {
  std::string seen;
  const auto url = serve([&](const http::Request& request) {
    if (request.target == "/m.tar") return file_of("hello");
    seen = std::string(request.target) + " " + std::string(request.field("authorization"));
    return file_of("signed");
  });
  write("credentials/token", "t0ken");
  options_.signature_uri = url + "/m.tar.sig";
  const auto fetched = get(url + "/m.tar");
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(fetched->signature.value().value(), "signed");
  EXPECT_EQ(seen, "/m.tar.sig Bearer t0ken");
  EXPECT_EQ(content(fetched->file), "hello");
  EXPECT_EQ(progress_.bytes, 5);
  EXPECT_EQ(progress_.total, 5);
}

TEST_F(FetchTest, BringsTheSignatureOfAFolderAndOfAVolume) {
  write("volume/bundle/model.yaml", "x");
  write("volume/bundle.sig", "signed");
  options_.signature_uri = "pvc://claim/bundle.sig";
  EXPECT_EQ(get("pvc://claim/bundle/")->signature.value().value(), "signed");
}

TEST_F(FetchTest, ASignatureThatIsMissingIsTheRevisionsFault) {
  const auto url = serve([](const http::Request& request) {
    return request.target.ends_with(".sig") ? http::error(404, "no") : file_of("hello");
  });
  write("m.tar", "hello");
  for (const auto& uri : {url + "/m.tar", (folder_ / "m.tar").string()}) {
    options_.signature_uri = uri + ".sig";
    const auto failed = get(uri)->signature.value().error();
    EXPECT_EQ(failed.reason, "SignatureMissing");
    EXPECT_EQ(failed.failure_class, FailureClass::kRevision);
    EXPECT_THAT(failed.message, HasSubstr("m.tar.sig'"));
    EXPECT_THAT(failed.message, HasSubstr("so the model is not signed"));
  }
}

TEST_F(FetchTest, ASignatureThatCannotBeHadNowIsOfTheWorld) {
  std::atomic<unsigned> status = 503;
  const auto url = serve([&](const http::Request& request) {
    return request.target.ends_with(".sig") ? http::error(status, "no") : file_of("hello");
  });
  options_.signature_uri = url + "/m.tar.sig";
  const auto reason = [&](unsigned code) {
    status = code;
    const auto failed = get(url + "/m.tar")->signature.value().error();
    EXPECT_EQ(failed.failure_class, FailureClass::kWorld) << code;
    return failed.reason;
  };
  EXPECT_EQ(reason(503), "FetchFailed");
  EXPECT_EQ(reason(401), "Unauthorized");
  EXPECT_EQ(reason(403), "Unauthorized");
}

TEST_F(FetchTest, ACancelledFetchEndsInItsSignatureToo) {
  const auto url = serve([&](const http::Request& request) {
    if (request.target.ends_with(".sig")) progress_.cancelled = true;
    return file_of("hello");
  });
  options_.signature_uri = url + "/m.tar.sig";
  EXPECT_EQ(get(url + "/m.tar")->signature.value().error().failure_class, FailureClass::kWorld);
}

TEST_F(FetchTest, WhatIsTooLargeOrLeadsAstrayIsNoSignature) {
  write("volume/m.tar", "hello");
  write("volume/large", std::string(65'537, 'x'));
  write("volume/full", std::string(65'536, 'x'));
  write("secret", "hello");
  std::filesystem::create_symlink(folder_ / "secret", options_.volume / "away");
  for (const auto* path : {"large", "away"}) {
    options_.signature_uri = std::format("pvc://claim/{}", path);
    const auto failed = get("pvc://claim/m.tar")->signature.value().error();
    EXPECT_EQ(failed.reason, "SignatureInvalid") << path << failed.message;
    EXPECT_EQ(failed.failure_class, FailureClass::kRevision);
    EXPECT_THAT(failed.message, HasSubstr(std::format("'pvc://claim/{}' cannot be the signature", path)));
    EXPECT_THAT(failed.remedy, HasSubstr("spec.model.signature.uri"));
  }
  options_.signature_uri = "pvc://claim/full";
  EXPECT_TRUE(get("pvc://claim/m.tar")->signature.value());
}

TEST_F(FetchTest, AfterARestartTheSignatureIsThatOfTheSameModel) {
  write("m.tar", "one");
  write("m.tar.sig", "signed one");
  const auto uri = (folder_ / "m.tar").string();
  options_.signature_uri = uri + ".sig";
  ASSERT_TRUE(get(uri)->signature.value());
  std::filesystem::remove(folder_ / "m.tar.sig");
  EXPECT_EQ(get(uri)->signature.value().value(), "signed one") << "kept, as the model is";

  write("m.tar", "two");
  write("m.tar.sig", "signed two");
  std::filesystem::remove(options_.staging / "model");
  EXPECT_EQ(get(uri)->signature.value().value(), "signed two") << "another model, another signature";
}

TEST_F(FetchTest, AFoldersDigestIsNotBelievedWhereASignatureCountsByIt) {
  write("bundle/model.yaml", "x");
  write("bundle.sig", "signed");
  const auto uri = (folder_ / "bundle").string();
  options_.signature_uri = uri + ".sig";
  const auto digest = get(uri)->digest;
  // Whoever could write here would say that the bytes staged are those that were signed.
  auto note = content(wire::UniqueFd(::open((options_.staging / "model.json").c_str(), O_RDONLY)));
  note.replace(note.find(digest), digest.size(), "sha256:" + std::string(64, '0'));
  write("staging/model.json", note);
  const auto again = get(uri);
  EXPECT_EQ(again->digest, digest);
  EXPECT_FALSE(again->kept);
}

// TLS, with a CA of the test's own.

TEST_F(FetchTest, TrustsTheSecretsCa) {
  TlsServerForTest server("hello");
  const auto url = std::format("https://localhost:{}/m.tar", server.port());
  const auto failed = failure(url);
  EXPECT_EQ(failed.reason, "FetchFailed");
  EXPECT_THAT(failed.remedy, HasSubstr("ca.crt"));
  write("credentials/ca.crt", server.ca());
  const auto fetched = get(url);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(fetched->digest, "sha256:" + sha256("hello"));
}

TEST_F(FetchTest, RefusesACertificateOfAnotherName) {
  TlsServerForTest server("hello");
  write("credentials/ca.crt", server.ca());
  EXPECT_EQ(failure(std::format("https://127.0.0.1:{}/m.tar", server.port())).reason, "FetchFailed");
}

TEST_F(FetchTest, RefusesOldTls) {
  TlsServerForTest server("hello", TlsServerForTest::Version::kOld);
  write("credentials/ca.crt", server.ca());
  EXPECT_EQ(failure(std::format("https://localhost:{}/m.tar", server.port())).reason, "FetchFailed");
}

TEST_F(FetchTest, IsNotRedirectedFromHttpsToHttp) {
  const auto plain = serve([](const http::Request&) { return file_of("hello"); });
  TlsServerForTest server("", TlsServerForTest::Version::kNew, plain + "/m.tar");
  write("credentials/ca.crt", server.ca());
  EXPECT_EQ(failure(std::format("https://localhost:{}/m.tar", server.port())).reason, "FetchFailed");
}

TEST_F(FetchTest, ASlowServerIsStalledAndGoneOnWithLater) {
  TlsServerForTest server("hello world", TlsServerForTest::Version::kNew, {}, 5);
  write("credentials/ca.crt", server.ca());
  options_.stall_seconds = 1;
  const auto failed = failure(std::format("https://localhost:{}/m.tar", server.port()));
  EXPECT_EQ(failed.reason, "FetchStalled");
  EXPECT_THAT(failed.message, HasSubstr("at 5 bytes"));
}

}  // namespace
}  // namespace pilotlight::artifact
