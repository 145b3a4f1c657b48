#include "sidecar/engine/bundle/format.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "sidecar/engine/bundle/onnx_file.h"
#include "sidecar/engine/bundle/zip_directory.h"

namespace pilotlight::engine {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kExport =
    "Export the model with pilotlight_export, or save it with torch.jit.script(model).save(\"model.pt\") or "
    "torch.jit.trace.";
constexpr std::string_view kTheUri = "Check that the URI leads to the file itself, and the credentials.";
constexpr std::string_view kNoCompression =
    "Unpack it once: bundles are uncompressed tar archives, read in place.";

struct Magic {
  std::string_view bytes;
  std::string_view looks_like;
  std::string_view remedy;
};

constexpr std::array kMagic = {
    Magic{"\x1f\x8b"sv, "a gzip archive", kNoCompression},
    Magic{"\x28\xb5\x2f\xfd"sv, "a zstd archive", kNoCompression},
    Magic{"\xfd"sv
          "7zXZ\0"sv,
          "an xz archive", kNoCompression},
    Magic{"BZh"sv, "a bzip2 archive", kNoCompression},
    Magic{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive", kNoCompression},
    Magic{"version https://git-lfs"sv, "a Git LFS pointer, not the file it stands for",
          "Fetch the file with git lfs pull before publishing it, or use the URI that resolves LFS."},
    Magic{"\x89HDF\r\n\x1a\n"sv, "an HDF5 file (Keras writes those)", kExport},
    Magic{"GGUF"sv, "a GGUF file", kExport},
    Magic{"\x7f"sv
          "ELF"sv,
          "a compiled library or program", kExport},
};

// Text without its byte order mark and leading white space, at most `limit` bytes, in lower case.
std::string lower_text(std::string_view file, std::size_t limit) {
  if (file.starts_with("\xef\xbb\xbf")) file.remove_prefix(3);
  const auto first = file.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  std::string text(file.substr(first, limit));
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool looks_like_pickle(std::string_view file) {
  return file.size() > 2 && file[0] == '\x80' && file[1] >= 2 && file[1] <= 5;
}

bool looks_like_safetensors(std::string_view file) {
  return file.size() > 10 && file.substr(4, 4) == "\0\0\0\0"sv && file[8] == '{' && file[9] == '"';
}

std::unexpected<Fault> unsupported(std::string_view looks_like, std::string_view remedy) {
  return refuse("UnsupportedFormat",
                "the file is neither a bundle nor TorchScript, ONNX or AOTInductor: it looks like " +
                    std::string(looks_like),
                std::string(remedy));
}

std::unexpected<Fault> unsupported_other(std::string_view file) {
  if (file.empty()) return unsupported("an empty file", kTheUri);
  for (const Magic& magic : kMagic) {
    if (file.starts_with(magic.bytes)) return unsupported(magic.looks_like, magic.remedy);
  }
  const std::string text = lower_text(file, 64);
  if (text.starts_with("<!doctype html") || text.starts_with("<html") || text.starts_with("<head")) {
    return unsupported("an HTML page, such as a login or an error page", kTheUri);
  }
  if (text.starts_with("<?xml") || text.starts_with("<error")) {
    return unsupported("an XML document, such as a store's error", kTheUri);
  }
  if (looks_like_pickle(file)) return unsupported("a Python pickle", kExport);
  if (looks_like_safetensors(file)) return unsupported("safetensors: weights without a model", kExport);
  if (text.starts_with("{") || text.starts_with("[")) return unsupported("a JSON document", kTheUri);
  return unsupported("neither an archive nor any model format known here", kExport);
}

// A model of ten thousand layers has fewer.
constexpr std::size_t kMaxZipEntries = 1 << 16;
// PyTorch stores tensors and compresses only code: what expands to much more than the file is an attack.
constexpr std::uint64_t kMaxExpansion = std::uint64_t{64} << 20;

struct ZipContent {
  bool torchscript = false;  // <top>/code/…: the program
  bool pickle = false;       // <top>/data.pkl
  bool compiled = false;     // data/aotinductor/…: machine code
  bool package = false;      // what torch.export and AOTInductor write
  bool broken = false;
  std::string suspicious;  // what no tool writes by itself
};

ZipContent list_zip(std::span<const std::byte> file) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> zip(archive_read_new(), &archive_read_free);
  ZipContent content;
  archive_read_support_format_zip_seekable(zip.get());
  int status = archive_read_open_memory(zip.get(), file.data(), file.size());
  archive_entry* entry = nullptr;
  std::set<std::string, std::less<>> names;
  std::uint64_t expanded = 0;
  while (status == ARCHIVE_OK && content.suspicious.empty()) {
    status = archive_read_next_header(zip.get(), &entry);
    if (status != ARCHIVE_OK) break;
    const char* raw = archive_entry_pathname(entry);
    const std::string_view path = raw == nullptr ? "" : raw;
    const auto size = static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
    if (!names.emplace(path).second) content.suspicious = "the same name twice";
    if (names.size() > kMaxZipEntries) content.suspicious = "more than 65536 entries";
    if (archive_entry_is_encrypted(entry) != 0) content.suspicious = "encrypted entries";
    if (path.find("..") != std::string_view::npos) content.suspicious = "a name with \"..\" in it";
    if (path.starts_with('/')) content.suspicious = "an absolute name";
    if (const auto type = archive_entry_filetype(entry); type != AE_IFREG && type != AE_IFDIR) {
      content.suspicious = "an entry that is no file";
    }
    if (__builtin_add_overflow(expanded, size, &expanded) || expanded > file.size() + kMaxExpansion) {
      content.suspicious = "entries that expand to far more than the file";
    }
    const std::string_view below = path.substr(std::min(path.find('/'), path.size()));
    content.torchscript = content.torchscript || below.starts_with("/code/");
    content.pickle = content.pickle || below == "/data.pkl";
    content.compiled = content.compiled || path.find("data/aotinductor/") != std::string_view::npos;
    content.package = content.package || below.starts_with("/archive_format") || path == "archive_format" ||
                      path.find("serialized_exported_program.json") != std::string_view::npos;
  }
  content.broken = status != ARCHIVE_OK && status != ARCHIVE_EOF;
  if (content.broken || !content.suspicious.empty()) return content;
  // What was looked at here must be what LibTorch will look up.
  const auto directory = zip_directory_names(file);
  if (!directory || !std::ranges::equal(*directory, names))
    content.suspicious = "other names in its directory than at its entries";
  return content;
}

Outcome<ModelFormat> format_of_zip(std::span<const std::byte> file) {
  const ZipContent content = list_zip(file);
  if (content.broken) {
    return unsupported("a ZIP archive that is damaged or cut off", "Upload the file again, whole.");
  }
  if (!content.suspicious.empty()) {
    return unsupported("a ZIP archive with " + content.suspicious + ", which PyTorch does not write",
                       kExport);
  }
  if (content.torchscript) return ModelFormat::kTorchScript;
  if (content.compiled) return ModelFormat::kAotInductor;
  if (content.package) {
    return unsupported(
        "a program saved by torch.export.save (.pt2), which has not been compiled",
        "Export the model with pilotlight_export, as TorchScript, ONNX or, compiled, as AOTInductor.");
  }
  if (content.pickle) {
    return unsupported("a PyTorch checkpoint: weights pickled by torch.save, without the model's code",
                       kExport);
  }
  return unsupported("a ZIP archive that PyTorch did not write", kExport);
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_zip(std::string_view file) {
  return file.starts_with("PK\3\4") || file.starts_with("PK\5\6");
}

}  // namespace

bool is_bundle(std::span<const std::byte> file) {
  return file.size() >= 512 && as_text(file).substr(257, 5) == "ustar";
}

Outcome<ModelFormat> detect_format(std::span<const std::byte> file) {
  const std::string_view text = as_text(file);
  if (looks_like_onnx(file)) {
    if (auto sound = check_onnx(file); !sound) return std::unexpected(std::move(sound).error());
    return ModelFormat::kOnnx;
  }
  if (!is_zip(text)) return unsupported_other(text);
  return format_of_zip(file);
}

}  // namespace pilotlight::engine
