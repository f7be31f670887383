// Compiled handlers on disk. An artefact is named by a sum of everything it was made from: the
// generated text, the flags, the compiler, and every file that was included. Files appear whole,
// under their final names, or not at all; several processes may use one cache at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

class ArtefactCache {
 public:
  // Without a folder that can be written, artefacts go to a temporary one that vanishes.
  explicit ArtefactCache(const std::string& folder);
  ~ArtefactCache();
  ArtefactCache(const ArtefactCache&) = delete;
  ArtefactCache& operator=(const ArtefactCache&) = delete;

  // The folder for artefacts and scratch files; empty: there is none at all.
  const std::string& folder() const { return folder_; }

  // The path of the shared object of `recipe`, whole and of today's includes; empty: there is none.
  std::string find(const std::string& recipe) const;
  // The bytes of an artefact that was kept under an extension of its own.
  std::optional<std::string> read(const std::string& recipe, const std::string& extension) const;

  // Gives the artefacts that `recipe` has with today's includes a second name, which is not of this
  // machine; what cannot be written is not found by it.
  void name(const std::string& recipe, const std::string& portable) const;
  // As find() and read(), by that name; nothing where it is empty.
  std::string find_named(const std::string& portable) const;
  std::optional<std::string> read_named(const std::string& portable,
                                        const std::string& extension) const;

  // Files for a compiler to write; they belong to the caller until stored.
  struct Scratch {
    std::string source, object, dependencies;
  };
  Result<Scratch> scratch() const;
  // Keeps the object and what it was made from; gives its final path.
  Result<std::string> store(const std::string& recipe, const Scratch& scratch) const;
  static void remove(const Scratch& scratch);

  // Keeps what was made in memory out of `recipe` and the files `included`.
  struct Part {
    std::string extension;  // ".cubin"
    std::string bytes;
  };
  Result<void> keep(const std::string& recipe, const std::vector<std::string>& included,
                    const std::vector<Part>& parts) const;

 private:
  // The path without extension that the artefacts of `recipe` have with today's includes.
  std::string stem_of(const std::string& recipe) const;
  std::string stem_named(const std::string& portable) const;
  std::string scratch_stem() const;
  void prune() const;

  std::string folder_;
  bool temporary_ = false;
};

// RINGK_CACHE_DIR, $XDG_CACHE_HOME/ringk, ~/.cache/ringk, or without a home a folder of the user's
// own in the temporary folder; empty: that is somebody else's.
std::string default_cache_folder();

}  // namespace ringkernel::handlers
