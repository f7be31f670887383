// Runs a fuzz target without libFuzzer: over each file of a corpus as it is, then over changed
// ones, the same in every run.
// usage: TARGET ROUNDS FILE...      an input that crashes is left in ./fuzz-crash
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

std::string current;

void keep_input(int signal) {
  const int file = open("fuzz-crash", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0) {
    [[maybe_unused]] const ssize_t written = write(file, current.data(), current.size());
    close(file);
  }
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void run(const std::string& input) {
  current = input;
  // A copy of exactly this size: reading past it is found out.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string next() {
    std::string text = corpus_[below(corpus_.size())];
    for (size_t n = 1 + below(4); n > 0; --n) change(text);
    return text;
  }

 private:
  size_t below(size_t n) { return n == 0 ? 0 : random_() % n; }

  void change(std::string& text) {
    static const std::vector<std::string> kPieces = {"{",
                                                     "}",
                                                     "[",
                                                     "]",
                                                     "\"",
                                                     ":",
                                                     ",",
                                                     "\n",
                                                     "\\u0000",
                                                     "\\ud800",
                                                     "null",
                                                     "-0",
                                                     "1e999",
                                                     "18446744073709551616",
                                                     "-9223372036854775809",
                                                     "\xff",
                                                     "\xc3",
                                                     "\xef\xbb\xbf",
                                                     "${X}",
                                                     "${X:-}",
                                                     "<<: *a",
                                                     "&a",
                                                     "*a",
                                                     "- ",
                                                     "  ",
                                                     "\t",
                                                     "?",
                                                     "|",
                                                     "true",
                                                     "~",
                                                     "u8[<=3]?"};
    const size_t at = below(text.size() + 1);
    const size_t length = below(std::min<size_t>(text.size() - at, 40) + 1);
    switch (below(7)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random_());
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 4:
        text.replace(at, length, kPieces[below(kPieces.size())]);
        break;
      case 5: {
        const std::string& other = corpus_[below(corpus_.size())];
        const size_t from = below(other.size());
        text.insert(at, other.substr(from, below(200)));
        break;
      }
      default:
        text.resize(at);
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " ROUNDS FILE...\n";
    return 2;
  }
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, keep_input);
  std::vector<std::string> corpus;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::cerr << argv[i] << ": cannot be read\n";
      return 2;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    run(corpus.back());
  }
  Mutator mutator(corpus);
  const long rounds = std::atol(argv[1]);
  for (long i = 0; i < rounds; ++i) run(mutator.next());
  std::cout << corpus.size() << " files, " << rounds << " rounds\n";
  return 0;
}
