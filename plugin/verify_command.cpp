#include "plugin/verify_command.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/log/log.h"
#include "plugin/verdict.h"
#include "plugin/verify.h"

namespace pilotlight::plugin {
namespace {

constexpr int kProven = 0;
constexpr int kRefused = 1;
constexpr int kUndecided = 2;
constexpr int kInterrupted = 130;

struct VerifyArguments {
  std::string model;
  std::string digest;
  std::string level = "Loaded";
  std::optional<double> absolute_tolerance;
  std::optional<double> relative_tolerance;
  std::vector<std::int64_t> batch_sizes;
  std::int64_t threads = 0;
  double timeout = 300;
  std::filesystem::path credentials;
  std::vector<std::filesystem::path> public_keys;
  std::string signature;
  std::string format;
  std::filesystem::path engine;
  std::string output = "text";
  bool verbose = false;
};

void describe_verify(CLI::App& verify, VerifyArguments& arguments) {
  verify.add_option("model", arguments.model, "A bundle, or a TorchScript or ONNX file: a path or a URI")
      ->required();
  verify.add_option("--digest", arguments.digest, "The file's, as sha256:…; anything else is refused")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool fits = text.size() == 71 && text.starts_with("sha256:") &&
                              text.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
            return fits ? std::string() : "'" + text + "' is not sha256: and 64 hexadecimal digits";
          },
          "sha256:…"));
  verify.add_option("--minimum-level", arguments.level, "The proof that is enough")
      ->check(CLI::IsMember({"Loaded", "Contract", "Answers"}))
      ->capture_default_str();
  verify.add_option("--absolute-tolerance", arguments.absolute_tolerance, "Instead of the bundle's")
      ->check(CLI::NonNegativeNumber);
  verify.add_option("--relative-tolerance", arguments.relative_tolerance, "Instead of the bundle's")
      ->check(CLI::NonNegativeNumber);
  verify.add_option("--batch-sizes", arguments.batch_sizes, "To warm up with [1]")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536));
  verify.add_option("--threads", arguments.threads, "Of the model [as many as there are CPUs]")
      ->check(CLI::Range(1, 1024));
  verify.add_option("--timeout", arguments.timeout, "Seconds that the check may take")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verify
      .add_option("--credentials-dir", arguments.credentials,
                  "Folder with token, or username and password, and ca.crt")
      ->check(CLI::ExistingDirectory);
  auto* keys = verify.add_option("--public-key", arguments.public_keys,
                                 "File with a public key (PEM); what its owner has not signed is refused. "
                                 "May be given several times: any of them is enough");
  verify.add_option("--signature", arguments.signature, "The signature's path or URI [the model's and .sig]")
      ->needs(keys);
  verify
      .add_option("--format", arguments.format,
                  "What the model must be [what it is]. AOTInductor is machine code, and needs --public-key")
      ->check(CLI::IsMember({"TorchScript", "ONNX", "AOTInductor"}));
  verify.add_option("--engine", arguments.engine, "The engine's program [pilotlight-engine beside this one]")
      ->check(CLI::ExistingFile);
  verify.add_option("-o,--output", arguments.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  verify.add_flag("-v,--verbose", arguments.verbose, "What happens, as log lines to standard error");
}

VerifyOptions options_of(const VerifyArguments& arguments) {
  VerifyOptions options{.config = front::laptop_config(arguments.model),
                        .engine = arguments.engine,
                        .credentials = arguments.credentials};
  auto& load = options.config.load;
  options.config.digest = arguments.digest;
  options.config.validation_timeout = std::chrono::duration<double>(arguments.timeout);
  if (!arguments.public_keys.empty()) {
    auto demand = front::demand_from_files(arguments.model, arguments.public_keys, arguments.signature);
    if (!demand) throw std::runtime_error(demand.error());
    options.config.signature = *std::move(demand);
  }
  load.format = wire::model_format_from_name(arguments.format);
  load.minimum_level = wire::proof_level_from_name(arguments.level).value();
  load.absolute_tolerance = arguments.absolute_tolerance;
  load.relative_tolerance = arguments.relative_tolerance;
  load.warmup_batch_sizes = arguments.batch_sizes;
  load.threads = arguments.threads;
  if (options.engine.empty()) {
    options.engine = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "pilotlight-engine";
    if (!std::filesystem::exists(options.engine))
      throw std::runtime_error("there is no pilotlight-engine beside this program; name it with --engine");
  }
  return options;
}

int run_verify(const VerifyArguments& arguments) {
  // The verdict says it all, and better.
  if (!arguments.verbose) log::Configure({.sink = [](std::string_view) {}});
  auto options = options_of(arguments);
  if (arguments.output == "text") {
    options.entered = [](front::Phase phase) { std::cerr << front::phase_name(phase) << "…\n"; };
  }
  const auto status = verify(options);
  if (!status) return kInterrupted;
  if (arguments.output == "json") {
    std::cout << verdict_document(*status, arguments.model).dump(2) << '\n';
  } else {
    std::cout << verdict_text(*status, arguments.model);
  }
  switch (verdict_of(*status)) {
    case Verdict::kProven:
      return kProven;
    case Verdict::kRefused:
      return kRefused;
    case Verdict::kUndecided:
      break;
  }
  return kUndecided;
}

}  // namespace

void add_verify(CLI::App& app, std::function<int()>& run) {
  auto& verify = *app.add_subcommand(
      "verify",
      "Prove a model here, as a serving pod would, without a cluster. Ends with 0 if it is "
      "proven, 1 if it is refused, 2 if that cannot be told");
  const auto arguments = std::make_shared<VerifyArguments>();
  describe_verify(verify, *arguments);
  verify.callback([arguments, &run] { run = [arguments] { return run_verify(*arguments); }; });
}

}  // namespace pilotlight::plugin
